// SPDX-License-Identifier: BSD-3-Clause
#include "credentials.hpp"

#include <cerrno>
#include <nbdstream/sink.hpp>
#include <utility>

namespace nbdstream::s3 {
namespace {

constexpr std::time_t renewed_before = 300;  // seconds, before credentials expire

std::optional<lease> from_environment() {
  credentials who(environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                  environment("AWS_SESSION_TOKEN"));
  if (who.access_key.empty() || who.secret_key.empty()) return {};
  return lease{std::move(who), {}};
}

std::string value(const section& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() ? "" : found->second;
}

std::optional<lease> from_profile(const section& profile) {
  credentials who(value(profile, "aws_access_key_id"), value(profile, "aws_secret_access_key"),
                  value(profile, "aws_session_token"));
  if (who.access_key.empty() || who.secret_key.empty()) return {};
  return lease{std::move(who), {}};
}

}  // namespace

credential_source::credential_source(profile_files files, bool prefer_profile)
    : files_(std::move(files)), prefer_profile_(prefer_profile) {}

lease credential_source::find(errand&) const {
  if (!prefer_profile_)
    if (auto found = from_environment()) return *std::move(found);
  const section profile = files_.read();
  if (auto found = from_profile(profile)) return *std::move(found);
  throw sink_error(EACCES,
                   "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                   "write them to ~/.aws/credentials");
}

credentials credential_source::current(errand& by) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::time_t left =
        known_ && known_->expires ? *known_->expires - std::time(nullptr) : renewed_before + 1;
    const bool fresh = known_ && left > renewed_before && version_ == files_.version();
    if (fresh || (renewing_ && known_ && left > 0)) return known_->who;
    if (!renewing_) return renewed(lock, by);
    changed_.wait(lock);
  }
}

credentials credential_source::renewed(std::unique_lock<std::mutex>& lock, errand& by) {
  renewing_ = true;
  std::optional<lease> found;
  std::optional<sink_error> failed;
  lock.unlock();
  std::string version = files_.version();
  try {
    found = find(by);
  } catch (const sink_error& error) {
    failed = error;
  }
  lock.lock();
  renewing_ = false;
  changed_.notify_all();
  if (!found) throw *failed;
  known_ = std::move(found);
  version_ = std::move(version);
  return known_->who;
}

bool credential_source::renew(const credentials& refused, errand& by) {
  const auto others = [&](const credentials& who) {
    return who.access_key != refused.access_key || who.session_token != refused.session_token ||
           who.secret_key != refused.secret_key;
  };
  {
    const std::lock_guard lock(mutex_);
    if (known_ && others(known_->who)) return true;
    known_.reset();
  }
  try {
    return others(current(by));
  } catch (const sink_error&) {
    return false;
  }
}

}  // namespace nbdstream::s3
