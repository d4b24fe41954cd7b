// SPDX-License-Identifier: BSD-3-Clause
#include "object_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nbdstream/sink.hpp>
#include <random>
#include <utility>

namespace nbdstream::s3 {

/// One connection to the server, for one thread at a time.
class object_reader::connection final : public errand {
 public:
  explicit connection(object_reader& of) : of_(of), net_(of.client_.configuration().ca_file) {}

  exchange perform(const http_request& request) override {
    return net_.perform(request, [this](bool) { return stopped(); });
  }
  [[nodiscard]] bool stopped() const override { return of_.stopping_; }
  void rest(duration time) override {
    std::unique_lock lock(of_.mutex_);
    of_.changed_.wait_for(lock, time, [this] { return stopped(); });
  }
  void slow_down() override {}
  double chance() override { return std::uniform_real_distribution<double>(0, 1)(dice_); }

  void wake() noexcept { net_.wake(); }

 private:
  object_reader& of_;
  transport net_;
  std::minstd_rand dice_{std::random_device{}()};
};

/// A connection for the length of a call.
class object_reader::lent {
 public:
  explicit lent(object_reader& by) : by_(by) {
    std::unique_lock lock(by_.mutex_);
    by_.changed_.wait(lock, [&] { return !by_.free_.empty(); });
    connection_ = by_.free_.back();
    by_.free_.pop_back();
  }
  ~lent() {
    const std::lock_guard lock(by_.mutex_);
    by_.free_.push_back(connection_);
    by_.changed_.notify_all();
  }
  lent(const lent&) = delete;
  lent& operator=(const lent&) = delete;

  [[nodiscard]] connection& operator*() const noexcept { return *connection_; }

 private:
  object_reader& by_;
  connection* connection_;
};

object_reader::object_reader(settings s, log_function log) : client_(std::move(s), std::move(log)) {
  const auto& c = client_.configuration();
  for (unsigned i = 0; i < c.connections; ++i) {
    all_.push_back(std::make_unique<connection>(*this));
    free_.push_back(all_.back().get());
  }
  auto target = std::make_shared<object>();
  target->key = c.name.key;
  target_ = std::move(target);
  // Who has just started the program waits.
  job look = make(operation::look);
  look.patience = std::chrono::seconds(5);
  const outcome seen = run(look);
  etag_ = seen.part.etag;
  size_ = seen.length;
  if (etag_.empty() || size_ > INT64_MAX)
    throw sink_error(EPROTO,
                     c.object_url(target_->key) +
                         ": the server does not tell the length and the ETag of the object");
}

object_reader::~object_reader() = default;

job object_reader::make(operation what) const {
  job j;
  j.what = what;
  j.target = target_;
  return j;
}

outcome object_reader::run(const job& j) {
  const lent one(*this);
  outcome result = client_.run(*one, j);
  if (result.what == outcome::kind::done) return result;
  if (stopping_) throw sink_error(EINTR, "it was stopped");
  throw sink_error(result.why.error != 0 ? result.why.error : EIO, result.why.text);
}

void object_reader::read(std::uint64_t offset, std::span<std::byte> into) {
  if (into.empty()) return;
  job j = make(operation::get);
  j.wanted = {offset, into.size(), size_, etag_};
  const outcome result = run(j);
  std::memcpy(into.data(), result.bytes.data(), into.size());
}

void object_reader::interrupt() noexcept {
  stopping_ = true;
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  for (const auto& c : all_) c->wake();
}

}  // namespace nbdstream::s3
