// SPDX-License-Identifier: BSD-3-Clause
#include "removal.hpp"

#include <array>
#include <utility>

namespace nbdstream::s3 {
namespace {

using kind = outcome::kind;
using std::chrono::milliseconds;

constexpr auto between_aborts = milliseconds(300);
// When an object whose request has had no answer is looked for: at once, and after 1 and 2 s more.
constexpr std::array<milliseconds, 3> delays{milliseconds(0), milliseconds(1000),
                                             milliseconds(2000)};

}  // namespace

removal::removal(std::shared_ptr<const object> target, remains what)
    : target_(std::move(target)), what_(std::move(what)) {}

job removal::make(operation what, duration delay) const {
  job out;
  out.what = what;
  out.target = target_;
  out.upload_id = what_.upload_id;
  out.least_delay = delay;
  return out;
}

std::optional<job> removal::begin() {
  return what_.upload_id.empty() ? look() : make(operation::abort);
}

std::optional<job> removal::next(const job& which, const outcome& result) {
  if (which.what == operation::abort) return after_abort(result);
  if (which.what == operation::look) return after_look(result);
  const bool removed = result.what == kind::done || result.what == kind::absent;
  if (!removed) leftover_ = result.why.text;
  return std::nullopt;
}

std::optional<job> removal::after_abort(const outcome& result) {
  const bool aborted = result.what == kind::done;
  if (!aborted && result.what != kind::absent) leftover_ = result.why.text;
  // AWS: a part that was on its way can be stored after the abort, so that it is to be repeated.
  if (aborted && ++aborts_ < 2 && what_.parts_were_sent)
    return make(operation::abort, between_aborts);
  return look();
}

std::optional<job> removal::look() {
  const bool enough = looks_ >= (what_.object_in_doubt ? delays.size() : 1);
  if (!what_.object || enough) return std::nullopt;
  return make(operation::look, delays[looks_++]);
}

std::optional<job> removal::after_look(const outcome& seen) {
  if (seen.what == kind::done && seen.nonce == target_->nonce) {
    job out = make(operation::remove);
    out.version = seen.version;
    return out;
  }
  if (seen.what != kind::done && seen.what != kind::absent) {
    leftover_ = "whether the object is there is not known: " + seen.why.text;
    return std::nullopt;
  }
  return look();
}

}  // namespace nbdstream::s3
