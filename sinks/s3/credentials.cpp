// SPDX-License-Identifier: BSD-3-Clause
#include "credentials.hpp"

#include <cerrno>
#include <nbdstream/sink.hpp>
#include <utility>

#include "credential_process.hpp"
#include "metadata.hpp"

namespace nbdstream::s3 {
namespace {

constexpr std::time_t renewed_before = 300;   // seconds, before credentials expire
constexpr std::time_t between_renewals = 10;  // seconds, where one has failed

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

/// The keys of a profile, or those that its command gives.
std::optional<lease> from_profile(section& profile, errand& by) {
  credentials who(value(profile, "aws_access_key_id"), value(profile, "aws_secret_access_key"),
                  value(profile, "aws_session_token"));
  for (auto& [name, text] : profile)
    if (name.starts_with("aws_")) wipe(text);
  if (!who.access_key.empty() && !who.secret_key.empty()) return lease{std::move(who), {}};
  const std::string command = value(profile, "credential_process");
  if (!command.empty()) return run_credential_process(command, [&] { return by.stopped(); });
  if (profile.contains("role_arn") || profile.contains("sso_session") ||
      profile.contains("sso_start_url"))
    throw sink_error(EACCES,
                     "the profile has a role or a single sign-on, and no keys: give it a "
                     "`credential_process`, like `aws configure export-credentials`");
  return {};
}

}  // namespace

credential_source::credential_source(profile_files files, bool prefer_profile)
    : files_(std::move(files)), prefer_profile_(prefer_profile) {}

lease credential_source::find(errand& by) const {
  if (!prefer_profile_)
    if (auto found = from_environment()) return *std::move(found);
  section profile = files_.read();
  if (auto found = from_profile(profile, by)) return *std::move(found);
  if (auto found = from_container(by)) return *std::move(found);
  const std::string what =
      "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write them to "
      "~/.aws/credentials";
  try {
    if (auto found = from_machine(by)) return *std::move(found);
  } catch (const sink_error& error) {
    throw sink_error(EACCES, what + " (" + error.what() + ")");
  }
  throw sink_error(EACCES, what);
}

credentials credential_source::current(errand& by) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::time_t now = std::time(nullptr);
    const std::time_t left =
        known_ && known_->expires ? *known_->expires - now : renewed_before + 1;
    const bool good = known_ && left > 0;
    const bool fresh = good && left > renewed_before && version_ == files_.version();
    if (fresh || (good && (renewing_ || now < not_before_))) return known_->who;
    if (!renewing_) {
      renew(lock, by, good);
      return known_->who;
    }
    changed_.wait(lock);
  }
}

/// `good`: what there is will do if there is no better.
void credential_source::renew(std::unique_lock<std::mutex>& lock, errand& by, bool good) {
  renewing_ = true;
  std::optional<lease> found;
  std::optional<sink_error> failed;
  lock.unlock();
  std::string version = files_.version();
  try {
    found = find(by);
  } catch (const sink_error& error) {
    failed = error;
  } catch (const std::exception& error) {
    failed = sink_error(EACCES, std::string("the credentials cannot be had: ") + error.what());
  }
  lock.lock();
  renewing_ = false;
  changed_.notify_all();
  if (found) {
    known_ = std::move(found);
    version_ = std::move(version);
  } else if (good) {
    not_before_ = std::time(nullptr) + between_renewals;
  } else {
    throw *failed;
  }
}

bool credential_source::replace(const credentials& refused, errand& by) {
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
