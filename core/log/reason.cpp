// SPDX-License-Identifier: BSD-3-Clause
#include "log/reason.hpp"

#include <new>
#include <stdexcept>

namespace nbdstream::log {

std::string reason(const std::exception_ptr& failed) try {
  std::rethrow_exception(failed);
} catch (const std::bad_alloc&) {
  return "out of memory";
} catch (const std::runtime_error& e) {
  return e.what();
} catch (const std::exception& e) {
  return std::string("internal error: ") + e.what();
} catch (...) {
  return "internal error";
}

}  // namespace nbdstream::log
