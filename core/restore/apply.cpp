// SPDX-License-Identifier: BSD-3-Clause
#include "restore/apply.hpp"

#include "restore/chain.hpp"
#include "restore/failure.hpp"
#include "restore/input.hpp"
#include "restore/progress.hpp"
#include "restore/reader.hpp"
#include "restore/scan.hpp"
#include "restore/target.hpp"
#include "restore/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace nbdstream::restore {
namespace {

/// One run of `apply`, once it is known what there is.
class application {
 public:
  application(const apply_options& options, std::vector<input>& inputs, target& to,
              const scanned* before)
      : options_(options),
        inputs_(inputs),
        target_(to),
        before_(before),
        progress_(options.progress, "applied",
                  before ? std::optional(before->bytes) : std::nullopt),
        buffer_(1 << 20) {}

  void run() {
    // What can be known is checked before anything is written.
    if (before_ != nullptr) {
      check_new(before_->diffs.first());
      check_snapshot(target_.name(), before_->diffs.first(), target_.held(), options_.from);
      check_growth(before_->diffs.size());
      check_not_larger(before_->diffs.first());
    }
    for (auto& each : inputs_) apply_all_of(each);
    target_.flush();
    progress_.finish();
    if (options_.verify) verify(*before_, inputs_, target_);
    target_.commit(diffs_.to());
  }

  /// Whether the target is no longer what it was.
  [[nodiscard]] bool has_begun() const noexcept { return !diffs_.empty(); }
  [[nodiscard]] const chain& diffs() const noexcept { return diffs_; }

 private:
  void apply_all_of(input& from) {
    reader diffs(from);
    for (;;) {
      switch (diffs.next()) {
        case reader::event::header: begin(diffs.head(), from.name()); break;
        case reader::event::data: write_data(diffs); break;
        case reader::event::zeroes: {
          const auto& r = diffs.record();
          target_.zero(r.offset, r.length);
          progress_.add(r.length);
          break;
        }
        case reader::event::end: break;
        case reader::event::finished: return;
      }
    }
  }

  void begin(const diff::header& head, const std::string& where) {
    chain with_this = diffs_;
    with_this.add(head, where);
    if (diffs_.empty() && before_ == nullptr) {
      check_new(head);
      check_snapshot(target_.name(), head, target_.held(), options_.from);
    }
    if (before_ == nullptr) check_growth(head.size);
    const auto is = target_.size();
    if (diffs_.empty()) target_.begin(head.from);
    diffs_ = with_this;
    if (!is || *is < head.size) target_.resize(head.size);
    // A full diff leaves out what reads as zeroes. So may one behind it that grows the disk.
    if (is && !head.from) target_.zero(0, *is);
  }

  void check_new(const diff::header& first) const {
    if (target_.size() || !first.from) return;
    throw failure(
        fmt::format("{} does not exist, and the diff is an incremental one; a full one "
                    "must come first",
                    target_.name()));
  }

  void check_growth(std::uint64_t wanted) const {
    const auto is = target_.size();
    if (!is) return;
    auto may = growth::impossible;
    if (target_.can_grow()) may = options_.resize ? growth::allowed : growth::not_allowed;
    check_size(target_.name(), *is, wanted, may);
  }

  /// What lies behind the first diff's disk the later ones take for zeroes; a full one makes it so.
  void check_not_larger(const diff::header& first) const {
    const auto is = target_.size();
    if (is && first.from && *is > first.size)
      check_size(target_.name(), *is, first.size, growth::impossible);
  }

  void write_data(reader& diffs) {
    auto at = diffs.record().offset;
    for (;;) {
      const auto data = diffs.read_data(buffer_);
      if (data.empty()) return;
      target_.write(at, data);
      at += data.size();
      progress_.add(data.size());
    }
  }

  const apply_options& options_;
  std::vector<input>& inputs_;
  target& target_;
  const scanned* before_;  ///< null: a diff comes through a pipe
  chain diffs_;            ///< as far as they were applied
  progress progress_;
  std::vector<std::byte> buffer_;
};

/// What its user can do about a target that was there, and of which a part was written.
std::string advice(const target& to, const chain& diffs) {
  const auto& from = diffs.first().from;
  return fmt::format("; {} is not whole now: apply {}", to.name(),
                     from ? "the same again with --from, or a full diff" : "a full diff again");
}

/// A diff that is its own target would be gone before it is read.
void refuse_own_target(const apply_options& options) {
  std::error_code ignored;
  for (const auto& diff : options.diffs) {
    if (std::filesystem::equivalent(diff, options.target, ignored))
      throw failure(diff + " is the target itself");
  }
}

}  // namespace

void apply(const apply_options& options, const stop_signals& signals) {
  auto inputs = open_inputs(options.diffs, signals);
  refuse_own_target(options);
  const auto pipe =
      std::find_if(inputs.begin(), inputs.end(), [](const input& i) { return !i.seekable(); });
  const bool seekable = pipe == inputs.end();
  if (options.verify && !seekable)
    throw failure(pipe->name() + " is a pipe, which cannot be read again for --verify");
  std::optional<scanned> before;
  if (seekable) before = scan(inputs, options.verify ? extents::wanted : extents::not_wanted);
  const auto to = open_target(options.target, signals);
  if (to->size() && !seekable && !options.in_place)
    throw failure(
        fmt::format("{} exists, and {} is a pipe, whose end cannot be seen before it is "
                    "written: give files, or say --in-place",
                    to->name(), pipe->name()));
  const bool exists = to->size().has_value();
  application it(options, inputs, *to, before ? &*before : nullptr);
  try {
    it.run();
  } catch (const std::exception& e) {
    if (!exists || !it.has_begun()) throw;
    throw failure(e.what() + advice(*to, it.diffs()));
  }
}

}  // namespace nbdstream::restore
