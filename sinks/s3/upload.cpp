// SPDX-License-Identifier: BSD-3-Clause
#include "upload.hpp"

#include <cerrno>
#include <utility>

namespace nbdstream::s3 {

using kind = outcome::kind;

upload::upload(std::shared_ptr<const object> target, std::string name, duration patience)
    : target_(std::move(target)), name_(std::move(name)), patience_(patience) {}

std::vector<job> upload::take_jobs() {
  return std::exchange(jobs_, {});
}

job upload::make(operation what) const {
  job out;
  out.what = what;
  out.target = target_;
  out.upload_id = upload_id_;
  out.stop = stop_;
  return out;
}

void upload::emit(job j) {
  ++running_;
  if (j.what == operation::put || j.what == operation::complete) remains_.object = true;
  jobs_.push_back(std::move(j));
}

void upload::part(payload body) {
  if (state_ == state::open) emit_part(std::move(body));
}

void upload::emit_part(payload body) {
  if (parts_.empty()) emit(make(operation::create));
  parts_.emplace_back();
  length_ += body.size;
  job j = make(operation::part);
  j.number = static_cast<unsigned>(parts_.size());
  j.body = std::move(body);
  if (upload_id_.empty()) {
    waiting_.push_back(std::move(j));
  } else {
    emit(std::move(j));
  }
}

void upload::send_waiting() {
  for (job& j : std::exchange(waiting_, {})) {
    j.upload_id = upload_id_;
    emit(std::move(j));
  }
}

void upload::finish(payload last, std::uint64_t length, time_point now) {
  if (state_ != state::open) return;
  if (length_ + last.size != length) {
    fail(EIO, name_ + ": " + std::to_string(length_ + last.size) +
                  " bytes were sent, and the stream had " + std::to_string(length));
    return;
  }
  state_ = state::committing;
  if (parts_.empty()) {
    length_ = length;
    whole_ = std::move(last);
  } else if (last.size > 0) {
    emit_part(std::move(last));
  }
  complete_if_all_stored(now);
}

void upload::complete_if_all_stored(time_point now) {
  if (state_ != state::committing || completion_ || stored_ < parts_.size()) return;
  job final = make(parts_.empty() ? operation::put : operation::complete);
  final.body = std::move(whole_);
  final.parts = parts_;
  completion_.emplace(std::move(final), name_, length_, patience_);
  emit(completion_->begin(now));
}

void upload::done(const job& which, const outcome& result, time_point now) {
  --running_;
  const bool final = which.what == operation::put || which.what == operation::complete;
  if (final) remains_.object_in_doubt = result.what == kind::doubtful;
  if (which.what == operation::create) {
    if (result.what == kind::done) upload_id_ = result.upload_id;
    lost_another_ = result.answer_lost;
  }
  if (removal_) {
    go_on_removing(removal_->next(which, result));
  } else if (state_ == state::aborting) {
    if (running_ == 0) begin_removal();
  } else if (state_ == state::failed) {
    // What comes now was on its way; abort() has the rest to do.
  } else if (completion_) {
    go_on_completing(result, now);
  } else {
    after_transfer(which, result, now);
  }
}

/// A part, or the upload that it belongs to.
void upload::after_transfer(const job& which, const outcome& result, time_point now) {
  if (result.what != kind::done) {
    fail(result.why.error, result.why.text);
  } else if (which.what == operation::create) {
    send_waiting();
  } else {
    parts_[which.number - 1] = result.part;
    ++stored_;
    complete_if_all_stored(now);
  }
}

void upload::go_on_completing(const outcome& result, time_point now) {
  if (auto next = completion_->next(result, now)) {
    emit(std::move(*next));
  } else if (completion_->error().error != 0) {
    fail(completion_->error().error, completion_->error().text);
  } else {
    state_ = state::committed;
  }
}

void upload::fail(int error, const std::string& text) {
  state_ = state::failed;
  error_ = {error > 0 ? error : EIO, text};
  give_up_transfers();
}

void upload::give_up_transfers() {
  // When what runs is only to be created, nothing can be stored behind our back.
  if (running_ > 0 && !upload_id_.empty()) remains_.parts_were_sent = true;
  *stop_ = true;
  waiting_.clear();
  whole_ = {};
}

void upload::abort() {
  if (state_ == state::aborting || state_ == state::aborted) return;
  give_up_transfers();
  state_ = state::aborting;
  if (running_ == 0) begin_removal();
}

void upload::begin_removal() {
  remains_.upload_id = upload_id_;
  removal_.emplace(target_, remains_);
  go_on_removing(removal_->begin());
}

void upload::go_on_removing(std::optional<job> next) {
  if (next) {
    emit(std::move(*next));
    return;
  }
  leftover_ = removal_->leftover();
  state_ = state::aborted;
}

}  // namespace nbdstream::s3
