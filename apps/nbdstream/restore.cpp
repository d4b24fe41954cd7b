// SPDX-License-Identifier: BSD-3-Clause
//
// The program behind `nbdstream apply`, `cat` and `info`, which nbdstream becomes then. So the
// server does not carry libnbd, which is a client, and all that it needs.
#include "config/config.hpp"
#include "log/log.hpp"
#include "restore/subcommand.hpp"

#include <exception>
#include <span>

int main(int argc, char** argv) {
  using namespace nbdstream;
  log::logger log;
  try {
    return restore::run_subcommand(std::span(argv, static_cast<std::size_t>(argc)), log);
  } catch (const config::error& e) {
    log.error("{}", e.what());
    return 2;
  } catch (const std::exception& e) {
    log.error("{}", e.what());
    return 1;
  }
}
