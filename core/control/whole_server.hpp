// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_WHOLE_SERVER_HPP
#define NBDSTREAM_CONTROL_WHOLE_SERVER_HPP

#include "control/controlled.hpp"
#include "server/server.hpp"

namespace nbdstream::control {

/// The server, to be looked at and told. It is borrowed.
class whole_server final : public controlled {
 public:
  explicit whole_server(server& it) noexcept : it_(it) {}
  [[nodiscard]] status::process snapshot() const override { return it_.snapshot(); }
  [[nodiscard]] nbd_export* find_export(std::string_view name) noexcept override {
    return it_.find_export(name);
  }
  void stop() override { it_.stop(); }

 private:
  server& it_;
};

}  // namespace nbdstream::control
#endif
