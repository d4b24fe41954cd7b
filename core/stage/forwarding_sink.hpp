// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_FORWARDING_SINK_HPP
#define NBDSTREAM_STAGE_FORWARDING_SINK_HPP

#include "io/condition.hpp"
#include "sink/sink.hpp"

#include <memory>
#include <utility>

namespace nbdstream::stage {

/// A sink in front of another one, which it owns: it forwards every question that only the other
/// one can answer, and counts its own operations as that one's.
class forwarding_sink : public nbdstream::sink::sink {
 public:
  using failure = nbdstream::sink::failure;

  [[nodiscard]] std::string_view name() const noexcept override { return to_->name(); }
  [[nodiscard]] bool flushes() const noexcept override { return to_->flushes(); }
  [[nodiscard]] std::span<const nbdstream::sink::fact> facts() const noexcept override {
    return to_->facts();
  }
  [[nodiscard]] const failure* trouble() const noexcept override { return to_->trouble(); }
  void announce_trouble(io::condition& to) override { to_->announce_trouble(to); }
  [[nodiscard]] activity busy() const noexcept override {
    const auto inner = to_->busy();
    if (aborting_) return activity::aborting;
    return working_ && inner == activity::none ? activity::working : inner;
  }

 protected:
  forwarding_sink(const asio::any_io_executor& executor, std::unique_ptr<sink> to)
      : to_(std::move(to)), changed_(executor) {}

  std::unique_ptr<sink> to_;
  io::condition
      changed_;           ///< notified of each change of what follows, and of the stage's own state
  bool working_ = false;  ///< an operation of the stage itself is under way,
  bool aborting_ = false;  ///< and it is an abort
};

}  // namespace nbdstream::stage
#endif
