// SPDX-License-Identifier: BSD-3-Clause
#include "crew.hpp"

#include <pthread.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <csignal>
#include <nbdstream/sink.hpp>
#include <random>
#include <system_error>
#include <utility>

namespace nbdstream::s3 {
namespace {

constexpr std::chrono::seconds idle_after(30);
constexpr std::chrono::seconds patience_with_object(2);

bool carries_data(const job& j) noexcept {
  return j.what == operation::part || j.what == operation::put;
}

bool given_up(const job& j) noexcept {
  return j.stop && *j.stop;
}

/// As long as it lives, threads are made that no signal reaches: signals are the host's business.
class signals_blocked {
 public:
  signals_blocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

struct crew::task {
  job what;
  std::shared_ptr<upload> of;
  time_point not_before;

  [[nodiscard]] bool is_due(time_point now) const noexcept {
    return given_up(what) || now >= not_before;
  }
};

/// One thread, with its connection.
class crew::worker final : public errand {
 public:
  explicit worker(crew& of) : of_(of), net_(of.client_.configuration().ca_file) {}
  ~worker() override {
    if (thread_.joinable()) thread_.join();
  }

  void start() {
    thread_ = std::thread([this] { of_.work(*this); });
  }
  void wake() noexcept { net_.wake(); }

  bool used = false;  ///< it may have connections
  void close() noexcept { net_.close(); }

  /// What it does from now on; with the lock.
  void begin(const job& j) {
    job_ = &j;
    if (carries_data(j)) of_.throttle_.enter();
  }
  void end() {
    if (carries_data(*std::exchange(job_, nullptr))) of_.throttle_.leave();
  }

  exchange perform(const http_request& request) override {
    time_point called_back{};
    return net_.perform(request, [&](bool sent) {
      if (of_.stopping_ || !given_up(*job_)) return of_.stopping_.load();
      // The answer to CreateMultipartUpload says what there is to be aborted, so it is waited for;
      // and for a moment that to what makes the object, which nobody can call back any more.
      if (job_->what == operation::create) return false;
      if (!sent || (job_->what != operation::put && job_->what != operation::complete)) return true;
      if (called_back == time_point{}) called_back = clock::now();
      return clock::now() - called_back >= patience_with_object;
    });
  }
  [[nodiscard]] bool stopped() const override { return of_.stopping_ || given_up(*job_); }
  void slow_down() override {
    const std::lock_guard lock(of_.mutex_);
    of_.throttle_.slow_down();
  }
  double chance() override { return std::uniform_real_distribution<double>(0, 1)(dice_); }

  /// Others may send meanwhile, so afterwards it may have to wait for them.
  void rest(duration time) override {
    std::unique_lock lock(of_.mutex_);
    const auto until = clock::now() + time;
    throttle& room = of_.throttle_;
    if (carries_data(*job_)) room.leave();
    of_.changed_.notify_all();
    of_.changed_.wait_until(lock, until, [&] { return stopped(); });
    if (!carries_data(*job_)) return;
    of_.changed_.wait(lock, [&] { return stopped() || room.has_room(); });
    room.enter();
  }

 private:
  crew& of_;
  transport net_;
  std::minstd_rand dice_{std::random_device{}()};
  const job* job_ = nullptr;
  std::thread thread_;
};

crew::crew(client& by, std::function<void()> idle)
    : client_(by),
      idle_(std::move(idle)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      throttle_(by.configuration().connections) {
  if (!event_) throw std::system_error(errno, std::system_category(), "eventfd");
}

crew::~crew() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_all();
  }
  workers_.clear();
}

void crew::begin() {
  const std::lock_guard lock(mutex_);
  streaming_ = true;
  const signals_blocked none;
  try {
    while (workers_.size() < client_.configuration().connections) {
      auto one = std::make_unique<worker>(*this);
      one->start();
      workers_.push_back(std::move(one));
    }
  } catch (const std::system_error& error) {
    throw sink_error(ENOMEM, std::string("there are no threads to send with: ") + error.what());
  }
}

void crew::end() noexcept {
  const std::lock_guard lock(mutex_);
  streaming_ = false;
  changed_.notify_all();
}

void crew::drain() const noexcept {
  eventfd_t count = 0;
  (void)::eventfd_read(event_.get(), &count);
}

void crew::wake_all() noexcept {
  for (const auto& one : workers_) one->wake();
  changed_.notify_all();
}

void crew::take_jobs(const std::shared_ptr<upload>& one) {
  const auto now = clock::now();
  for (job& j : one->take_jobs()) {
    const double chance = std::uniform_real_distribution<double>(0, 1)(dice_);
    const duration delay = j.tries > 0 ? backoff(j.tries - 1, chance) : duration{};
    const auto not_before = now + std::max(delay, j.least_delay);
    tasks_.push_back({std::move(j), one, not_before});
  }
  changed_.notify_all();
  if (one->now() == upload::state::failed || one->now() == upload::state::aborting) wake_all();
}

std::list<crew::task>::iterator crew::next_ready(time_point& until) {
  const auto now = clock::now();
  for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
    if (!it->is_due(now)) {
      until = std::min(until, it->not_before);
    } else if (given_up(it->what) || !carries_data(it->what) || throttle_.has_room()) {
      return it;
    }
  }
  return tasks_.end();
}

/// Until there may be something to do.
void crew::be_idle(worker& self, std::unique_lock<std::mutex>& lock, time_point until) {
  const bool over = !streaming_ && tasks_.empty();
  if (over && !self.used) {
    changed_.wait(lock);
    return;
  }
  if (over) {
    self.close();
    self.used = false;
  } else if (changed_.wait_until(lock, until) != std::cv_status::timeout || !tasks_.empty()) {
    return;
  }
  lock.unlock();
  idle_();
  lock.lock();
}

void crew::work(worker& self) {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    time_point until = clock::now() + idle_after;
    const auto found = next_ready(until);
    if (found == tasks_.end()) {
      be_idle(self, lock, until);
      continue;
    }
    self.used = true;
    std::list<task> mine;
    mine.splice(mine.end(), tasks_, found);
    task& t = mine.front();
    self.begin(t.what);
    lock.unlock();
    outcome result;
    try {
      result = client_.run(self, t.what);
    } catch (const sink_error& error) {
      result.why = {error.error_number(), error.what()};
    } catch (const std::exception& error) {
      result.why = {EIO, error.what()};
    }
    lock.lock();
    self.end();
    finish(t, result);
  }
}

void crew::finish(task& t, const outcome& result) {
  if (carries_data(t.what) && result.what == outcome::kind::done) throttle_.good();
  t.what.body = {};  // so that its buffer is there when the host is told
  t.of->done(t.what, result, clock::now());
  take_jobs(t.of);
  changed_.notify_all();
  (void)::eventfd_write(event_.get(), 1);
}

}  // namespace nbdstream::s3
