// SPDX-License-Identifier: BSD-3-Clause
#include "client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

namespace nbdstream::s3 {
namespace {

using std::chrono::minutes;
using kind = outcome::kind;

bool makes_object(operation what) noexcept {
  return what == operation::put || what == operation::complete;
}

bool gives_up(operation what) noexcept {
  return what == operation::abort || what == operation::remove;
}

/// How long a request is repeated. What is left behind costs money, so that is not the user's
/// choice.
duration patience(const job& j, const settings& s) noexcept {
  if (j.patience > duration::zero()) return j.patience;
  return gives_up(j.what) ? minutes(1) : s.retry_timeout;
}

std::string name_of(const job& j) {
  switch (j.what) {
    case operation::get:
      return "reading " + std::to_string(j.wanted.length) + " bytes at " +
             std::to_string(j.wanted.begin);
    case operation::part: return "part " + std::to_string(j.number);
    case operation::create: return "beginning the upload";
    case operation::complete: return "completing the upload";
    case operation::abort: return "aborting the upload";
    case operation::remove: return "removing the object";
    case operation::look:
    case operation::probe: return "looking at the object";
    case operation::put: break;
  }
  return "sending the object";
}

judgement not_answered(const exchange& x) {
  judgement out;
  const bool untrusted = x.what == exchange::kind::untrusted;
  out.what = untrusted ? verdict::refused : verdict::again;
  out.error = untrusted ? EPROTO : EHOSTUNREACH;
  out.text =
      (untrusted ? "the server cannot be trusted: " : "the server has not answered: ") + x.why;
  return out;
}

judgement lacks(std::string_view what) {
  judgement out;
  out.what = verdict::corrupt;
  out.error = EPROTO;
  out.text = "the server's answer has no " + std::string(what);
  return out;
}

std::uint64_t length_of(const reply& answer) {
  const auto text = answer.header("content-length");
  std::uint64_t length = UINT64_MAX;  // of no stream
  (void)std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

}  // namespace

/// One attempt at a job, and what came of it.
struct client::attempt {
  payload body;
  request_mode how;
  credentials who;
  std::optional<wanted_digests> summed;
  digests sums;
  exchange what;
};

client::client(settings s, log_function log)
    : settings_(std::move(s)),
      credentials_(profile_files::of(settings_.profile), settings_.named_profile),
      trouble_(std::move(log)) {
  mode_.at = settings_.at;
  mode_.region = settings_.region;
  mode_.sum = settings_.sum;
}

request_mode client::how() const {
  const std::lock_guard lock(mutex_);
  return mode_;
}

std::string client::described(const job& j, const std::string& text) const {
  return settings_.object_url(j.target->key) + ": " + name_of(j) + ": " + text;
}

outcome client::run(errand& by, const job& j) {
  attempt one;
  one.body = body_of(j);
  const auto began = clock::now();
  attempts tried(patience(j, settings_), began);
  const bool repeatable = !makes_object(j.what) && j.what != operation::probe;
  bool answer_lost = false;
  judgement why;
  for (;;) {
    why = try_once(by, j, one);
    answer_lost = answer_lost || (one.what.what != exchange::kind::answered && one.what.sent);
    if (by.stopped()) break;
    if (mend(by, one, why, tried)) continue;
    const bool may_succeed = why.what == verdict::again || why.what == verdict::slow_down ||
                             why.what == verdict::corrupt;
    if (why.what == verdict::slow_down) by.slow_down();
    if (!may_succeed) break;
    const bool first = tried.failures() == 0;
    if (!repeatable && j.what != operation::probe) {
      trouble_.failed(described(j, why.text), first, clock::now());
      trouble_.ended();
    }
    if (!repeatable) break;
    const auto delay = tried.again(why, clock::now(), by.chance());
    if (!delay) break;
    trouble_.failed(described(j, why.text + "; it is tried again"), first, clock::now());
    by.rest(*delay);
  }
  const bool stopped = by.stopped();
  const unsigned failures = tried.failures();
  const bool good = why.what == verdict::good;
  if (failures > 0 && (good || stopped)) trouble_.ended();
  if (failures > 0 && !good && !stopped) trouble_.given_up();
  if (good && j.what != operation::look) trouble_.well(clock::now());
  if (stopped && !good) {
    outcome out;
    const bool arrived = makes_object(j.what) && one.what.sent;
    out.what = arrived ? kind::doubtful : kind::cancelled;
    return out;
  }
  if (repeatable && failures > 1 && !good) {
    const auto time = std::chrono::duration_cast<std::chrono::seconds>(clock::now() - began);
    why.text += "; given up after " + std::to_string(failures) + " attempts in " +
                std::to_string(time.count()) + " s";
    const bool users = !gives_up(j.what) && j.patience == duration::zero();
    if (users && why.what != verdict::corrupt) why.text += " (retry-timeout)";
  }
  outcome out = ended(j, one, why);
  out.answer_lost = answer_lost;
  return out;
}

judgement client::try_once(errand& by, const job& j, attempt& one) {
  one.how = how();
  one.what = {};
  try {
    one.who = credentials_.current(by);
  } catch (const sink_error& error) {
    judgement none;
    // Once a stream runs, the service that had them may come back.
    none.what = j.what == operation::probe ? verdict::refused : verdict::again;
    none.error = error.error_number();
    none.text = error.what();
    return none;
  }
  const wanted_digests wanted = digests_for(j, settings_, one.how);
  if (!one.summed || !(*one.summed == wanted)) {
    one.sums = summer_.of(one.body, wanted, [&] { return by.stopped(); });
    one.summed = wanted;
  }
  if (by.stopped()) return {};
  one.what = by.perform(
      make_request(j, settings_, one.how, one.body, one.sums, one.who, std::time(nullptr)));
  const reply& answer = one.what.answer;
  // Of an object that is there a server may send more than was asked for.
  const bool probed = j.what == operation::probe && answer.status / 100 == 2;
  const bool unranged = j.what == operation::get && answer.status == 200;
  if (one.what.what != exchange::kind::answered && !probed && !unranged)
    return not_answered(one.what);
  if (j.what == operation::get) return judge(j.wanted, answer);
  judgement out = judge(j.what, answer);
  if (out.what != verdict::good) return out;
  if (j.what == operation::create && element(answer.body, "UploadId").empty())
    return lacks("identifier of the upload");
  if (j.what == operation::part && answer.header("etag").empty()) return lacks("ETag");
  return out;
}

outcome client::ended(const job& j, attempt& one, const judgement& why) const {
  outcome out;
  out.why = {why.error, described(j, why.text)};
  out.retry_after = why.retry_after;
  switch (why.what) {
    case verdict::good: break;
    case verdict::absent: out.what = kind::absent; return out;
    case verdict::exists: out.what = kind::exists; return out;
    case verdict::conflict: out.what = kind::conflict; return out;
    case verdict::forbidden: out.what = kind::forbidden; return out;
    case verdict::again:
    case verdict::slow_down:
    case verdict::corrupt:
      if (makes_object(j.what) || j.what == operation::probe) out.what = kind::doubtful;
      return out;
    default: return out;
  }
  reply& answer = one.what.answer;
  out.what = kind::done;
  out.part.etag = answer.header("etag");
  out.version = answer.header("x-amz-version-id");
  switch (j.what) {
    case operation::create: out.upload_id = element(answer.body, "UploadId"); break;
    case operation::part:
      if (one.how.sum == checksum::sha256) out.part.sha256 = one.sums.sha256_base64;
      break;
    case operation::complete:
      out.part.etag = element(answer.body, "ETag");
      out.location = element(answer.body, "Location");
      break;
    case operation::get: out.bytes = std::move(answer.body); break;
    case operation::look:
      out.nonce = answer.header("x-amz-meta-nbdstream-id");
      out.length = length_of(answer);
      break;
    default: break;
  }
  return out;
}

/// Whether something was done about a failure, so that another attempt can be better.
bool client::mend(errand& by, const attempt& one, const judgement& why, attempts& tried) {
  switch (why.what) {
    case verdict::skewed: return tried.mendable(why.what) && correct_clock(one);
    case verdict::expired: return tried.mendable(why.what) && credentials_.replace(one.who, by);
    case verdict::forbidden:
      // The answer to a HEAD does not say why.
      return tried.mendable(why.what) && (correct_clock(one) || credentials_.replace(one.who, by));
    case verdict::elsewhere: return tried.mendable(why.what) && go_where_it_is(one, why);
    case verdict::wants_md5: {
      const std::lock_guard lock(mutex_);
      if (!settings_.learn_checksum || one.how.sum != checksum::none) return false;
      mode_.sum = checksum::md5;
      return true;
    }
    case verdict::unconditional: {
      const std::lock_guard lock(mutex_);
      mode_.conditional = false;
      return tried.mendable(why.what);
    }
    default: return false;
  }
}

/// By the time of an answer; false: it is not much another one than the request had.
bool client::correct_clock(const attempt& one) {
  constexpr std::time_t tolerated = 60;  // seconds; AWS tolerates 15 min
  const std::string date(one.what.answer.header("date"));
  const std::time_t theirs = curl_getdate(date.c_str(), nullptr);
  if (theirs <= 0) return false;
  const std::time_t skew = theirs - std::time(nullptr);
  if (std::abs(skew - one.how.skew) < tolerated) return false;
  const std::lock_guard lock(mutex_);
  mode_.skew = skew;
  return true;
}

/// Only to another region of AWS, whose address we make ourselves: nothing is sent to where an
/// answer points.
bool client::go_where_it_is(const attempt& one, const judgement& why) {
  if (settings_.own_endpoint || !is_region(why.region) || why.region == one.how.region)
    return false;
  const std::lock_guard lock(mutex_);
  mode_.region = why.region;
  mode_.at = aws_endpoint(why.region);
  return true;
}

}  // namespace nbdstream::s3
