// SPDX-License-Identifier: BSD-3-Clause
#include "completion.hpp"

#include <cerrno>
#include <utility>

namespace nbdstream::s3 {
namespace {

using kind = outcome::kind;

// An upload that is gone, or an object that is not there yet, may be a server that is late.
constexpr unsigned most_gone = 3;
constexpr unsigned most_looks = 5;

}  // namespace

completion::completion(job final, std::string name, std::uint64_t length, duration patience)
    : final_(std::move(final)), name_(std::move(name)), length_(length), patience_(patience) {}

job completion::look(unsigned tries) const {
  job out;
  out.what = operation::look;
  out.target = final_.target;
  out.stop = final_.stop;
  out.tries = tries;
  return out;
}

job completion::begin(time_point now) {
  // Most servers know If-None-Match by now. For the others, a look just before is all there is.
  return final_.target->overwrite ? *send(now) : look();
}

std::optional<job> completion::next(const outcome& result, time_point now) {
  switch (step_) {
    case step::checking: return after_check(result, now);
    case step::finishing: return after_final(result);
    case step::asking: return after_question(result, now);
    case step::confirming: break;
  }
  return after_confirmation(result);
}

std::optional<job> completion::send(time_point now) {
  if (tries_ == 0) since_ = now;
  step_ = step::finishing;
  job out = final_;
  out.tries = tries_++;
  out.least_delay = last_.retry_after;
  return out;
}

std::optional<job> completion::after_check(const outcome& seen, time_point now) {
  if (seen.what == kind::done)
    return fail(EEXIST, name_ + " exists: give another key, or replace it with `overwrite=true`");
  // Who may write but not look has If-None-Match.
  if (seen.what == kind::absent || seen.what == kind::forbidden) return send(now);
  return fail(seen.why.error, seen.why.text);
}

std::optional<job> completion::after_final(const outcome& result) {
  last_ = result;
  step_ = result.what == kind::done ? step::confirming : step::asking;
  return look();
}

std::optional<job> completion::after_question(const outcome& seen, time_point now) {
  if (is_ours(seen)) return accept(seen);
  const bool known = seen.what == kind::done || seen.what == kind::absent;
  switch (last_.what) {
    case kind::exists:
      return fail(EEXIST, name_ +
                              " exists: another client has made it during the upload; give another "
                              "key, or replace it with `overwrite=true`");
    case kind::conflict:
    case kind::failed: return fail(last_.why.error, last_.why.text);
    case kind::absent:
      // Where an earlier request has had no answer, its upload may be gone since it was completed.
      if (known && ++gone_ >= most_gone) return fail(last_.why.error, last_.why.text);
      break;
    default: break;
  }
  if (tries_ < 2 || now - since_ < patience_) return send(now);
  const std::string text =
      last_.why.text + "; given up after " + std::to_string(tries_) + " attempts (retry-timeout)";
  if (known) return fail(last_.why.error, text);
  return fail(last_.why.error,
              text + "; whether the object is there is not known: " + seen.why.text);
}

std::optional<job> completion::after_confirmation(const outcome& seen) {
  switch (seen.what) {
    case kind::done: break;
    case kind::absent:
      if (++looks_ < most_looks) return look(looks_);
      return fail(EIO, name_ + ": the server said that the object was there, but it is not");
    default:
      // Its word was whole and good; these credentials, or this server, show no more.
      unseen_ = seen.why.text;
      return std::nullopt;
  }
  if (is_ours(seen)) return accept(seen);
  return fail(
      EIO, name_ + ": the server said that the object was there, but it is that of another stream");
}

bool completion::is_ours(const outcome& seen) const {
  return seen.what == kind::done && seen.nonce == final_.target->nonce;
}

std::optional<job> completion::accept(const outcome& seen) {
  if (seen.length != length_)
    return fail(EIO, name_ + ": the object has " + std::to_string(seen.length) +
                         " bytes, and the stream had " + std::to_string(length_));
  last_.what = kind::done;
  if (!seen.part.etag.empty()) last_.part.etag = seen.part.etag;
  if (!seen.version.empty()) last_.version = seen.version;
  return std::nullopt;
}

std::optional<job> completion::fail(int error, const std::string& text) {
  error_ = {error > 0 ? error : EIO, text};
  return std::nullopt;
}

}  // namespace nbdstream::s3
