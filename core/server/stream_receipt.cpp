// SPDX-License-Identifier: BSD-3-Clause
//
// How the receipt of a stream comes about. No receipt, no commit.
#include "receipt/content.hpp"
#include "receipt/writer.hpp"
#include "server/open_stream.hpp"

#include <fmt/format.h>

#include <utility>

namespace nbdstream {

receipt::content open_stream::describe_for_receipt() const {
  const auto c = count();
  const auto& named = order_.named();
  return {.export_name = settings_.export_name,
          .stream = settings_.id,
          .unique_id = settings_.unique_id,
          .rbd_diff = settings_.format.rbd_diff,
          .size = settings_.limits.size,
          .print = *print_,
          .zstd_level = settings_.zstd_level,
          .compressed = c.compressed,
          .payload = c.payload,
          .zeroes = c.zeroes,
          .zero_ranges = encoder_->zero_runs(),
          .named = named.named_bytes(),
          .missing = named.missing_bytes(),
          .connections = joined_,
          .began = began_at_,
          .ended = status::wall_clock::now(),
          .module = settings_.module};
}

/// All is known but what only the sink's commit tells, and the end has not been sent.
awaitable<sink::failure> open_stream::seal() {
  const auto ending = encoder_->ending();
  auto failed = co_await sink_.seal(ending, print_);
  if (failed || !receipt_) co_return failed;
  auto text = receipt::to_json(describe_for_receipt(), {});
  failed = co_await receipt_->prepare(std::move(text));
  co_return failed;
}

/// The sink has committed: from here on nothing makes the stream an aborted one.
awaitable<void> open_stream::issue_receipt() {
  if (!receipt_) co_return;
  auto text = receipt::to_json(describe_for_receipt(), sink_.facts());
  const auto failed = co_await receipt_->finish(std::move(text));
  if (!failed) co_return;
  receipt_problem_ = fmt::format("the stream IS committed, but it has no receipt: {}",
                                 failed.why.empty() ? failed.code.message() : failed.why);
  log_.error("{}", receipt_problem_);
}

}  // namespace nbdstream
