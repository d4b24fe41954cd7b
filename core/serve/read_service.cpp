// SPDX-License-Identifier: BSD-3-Clause
#include "serve/read_service.hpp"

#include "log/reason.hpp"
#include "protocol/error.hpp"
#include "protocol/status_layout.hpp"
#include "server/read_message.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace nbdstream::serve {

using protocol::command;
using protocol::wire_error;

namespace {

/// Of one client, at a time.
constexpr int most_requests = 16;
constexpr std::uint64_t most_reading = 32 << 20;  // bytes; one read may have them all

/// How soon a client that has hung up meanwhile is noticed.
constexpr auto look_interval = std::chrono::seconds(1);

/// Of one answer. No thread is to be busy for long with one request: a client asks again for what
/// an answer leaves out.
constexpr std::uint64_t longest_look = std::uint64_t{1} << 40;  // bytes
constexpr std::size_t most_extents = 4096;
constexpr auto longest_search = std::chrono::milliseconds(100);

/// Between pieces of so many bytes a read sees that it was called off.
constexpr std::uint64_t read_piece = 4 << 20;

/// What a thread reads or finds out, and owns while it does.
struct task {
  std::shared_ptr<source::source> from;
  protocol::request asked;
  reader_pool::client::flag called_off;
  source::failure failed{};
  std::unique_ptr<std::byte[]> data{};           ///< READ
  protocol::read_layout layout{0, 0};            ///< READ
  std::vector<protocol::status_extent> found{};  ///< BLOCK_STATUS

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data.get(), asked.length}; }

  /// Whatever it throws is a failure of this request, not of the thread.
  template <class Call>
  std::int64_t attempt(Call call) noexcept {
    try {
      failed = call();
    } catch (const std::bad_alloc&) {
      failed.error_number = ENOMEM;
    } catch (...) {
      failed.error_number = EIO;
    }
    return -failed.error_number;
  }
};

/// Zeroes are not read.
source::failure read_all(task& t) {
  t.data = std::make_unique_for_overwrite<std::byte[]>(t.asked.length);
  const auto begin = t.asked.offset;
  const auto end = begin + t.asked.length;
  t.layout = {begin, end};
  source::source::extent found;
  for (auto at = begin; at < end; at = found.end) {
    if (*t.called_off) return {ECANCELED};
    auto failed = t.from->look(at, std::min(end, at + read_piece), found);
    if (failed) return failed;
    const auto piece = t.bytes().subspan(at - begin, found.end - at);
    if (found.what == source::content::data) {
      failed = t.from->read(at, piece);
      if (failed) return failed;
    } else {
      std::ranges::fill(piece, std::byte{0});
      t.layout.zeroes(at, found.end);
    }
  }
  return {};
}

std::uint32_t flags_of(source::content what) noexcept {
  using namespace protocol::allocation_state;
  switch (what) {
    case source::content::data: return 0;
    case source::content::zeroes: return zero;
    case source::content::hole: break;
  }
  return hole | zero;
}

source::failure find_extents(task& t) {
  const auto& r = t.asked;
  const auto end = r.offset + std::min(r.length, longest_look);
  const std::size_t most = r.has(protocol::command_flag::req_one) ? 1 : most_extents;
  protocol::status_layout layout(r.offset, r.offset + r.length, most);
  source::source::extent found;
  const auto until = io::clock::now() + longest_search;
  while (!layout.complete() && layout.known() < end) {
    if (*t.called_off) return {ECANCELED};
    if (layout.known() > r.offset && io::clock::now() >= until) break;
    auto failed = t.from->look(layout.known(), end, found);
    if (failed && layout.known() == r.offset) return failed;
    if (failed) break;
    layout.add(found.end, flags_of(found.what));
  }
  t.found = layout.take();
  return {};
}

}  // namespace

read_service::read_service(connection& on, read_export& of)
    : on_(on),
      export_(of),
      payload_(on),
      done_(of.executor()),
      scope_(of.executor(), [this](std::exception_ptr failed) {
        on_.log.error("closed: {}", log::reason(failed));
        broken_ = true;
        on_.transport->close();
      }) {}

/// A request that serve() has counted, until it is answered, or fails.
class read_service::counted {
 public:
  counted(read_service& by, std::uint64_t bytes) noexcept : by_(by), bytes_(bytes) {}
  ~counted() {
    --by_.under_way_;
    by_.memory_ -= bytes_;
    by_.export_.read_ends(bytes_);
    by_.done_.notify_all();
  }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

 private:
  read_service& by_;
  std::uint64_t bytes_;
};

awaitable<ending> read_service::serve(request r) {
  payload_.expect(r.payload());
  // Answers that are under way use the deadline of the connection, as a payload does.
  if (r.payload() > 0) co_await answer_all();
  auto v = protocol::check_request(r, on_.agreed);
  if (v.error == wire_error::none && r.type == command::block_status) {
    const auto arrived = co_await payload_.apply_to_status(r, v);
    if (arrived == payload::result::connection_ended) co_return stream::disconnect::mid_request;
  }
  if (v.error != wire_error::none) co_return co_await refuse(r, v);
  if (r.type != command::read && r.type != command::block_status) {
    on_.replies.add(r.reply_to(), wire_error::none);  // FLUSH, CACHE: there is nothing to do
    co_return std::nullopt;
  }
  const auto bytes = r.type == command::read ? r.length : 0;
  co_await make_room(bytes);
  if (broken_) co_return stream::disconnect::mid_request;
  ++under_way_;
  memory_ += bytes;
  export_.read_begins(bytes);
  scope_.spawn(r.type == command::read ? read(r) : status(r));
  co_return std::nullopt;
}

awaitable<ending> read_service::refuse(request r, protocol::verdict v) {
  on_.log_refusal(r, v.why);
  if (v.disconnect) co_return stream::disconnect::mid_request;
  const auto dropped = co_await payload_.drop_rest();
  if (dropped == payload::result::connection_ended) co_return stream::disconnect::mid_request;
  on_.replies.add(r.reply_to(), v.error, v.why);
  co_return std::nullopt;
}

/// Until one more request, and so much more memory, is allowed.
awaitable<void> read_service::make_room(std::uint64_t bytes) {
  const auto fits = [&] {
    return under_way_ == 0 || (under_way_ < most_requests && memory_ + bytes <= most_reading);
  };
  while (!fits() && !broken_) co_await done_.wait();
  while (!export_.has_memory_for(bytes) && !broken_) {
    co_await export_.memory_freed().wait(io::clock::now() + look_interval);
    if (on_.transport->peer() == io::transport::peer_state::hung_up) broken_ = true;
  }
}

awaitable<void> read_service::read(request r) {
  const counted until_its_end(*this, r.length);
  const auto t = std::make_shared<task>(task{export_.from(), r, work_.called_off()});
  io::worker::job job = [t] { return t->attempt([&] { return read_all(*t); }); };
  const auto result = co_await export_.readers().run(work_, std::move(job));
  if (result < 0) {
    answer_failure(r, result, t->failed);
  } else if (!broken_) {
    const auto ended = co_await send_read(on_, r, t->bytes(), t->layout);
    if (ended) {
      broken_ = true;
      on_.transport->close();
    }
  }
}

awaitable<void> read_service::status(request r) {
  const counted until_its_end(*this, 0);
  const auto t = std::make_shared<task>(task{export_.from(), r, work_.called_off()});
  io::worker::job job = [t] { return t->attempt([&] { return find_extents(*t); }); };
  const auto result = co_await export_.readers().run(work_, std::move(job));
  if (result < 0) {
    answer_failure(r, result, t->failed);
  } else {
    on_.replies.add_status(r.reply_to(), t->found);
  }
}

/// A call that was abandoned still has its task: only its result tells.
void read_service::answer_failure(const request& r, std::int64_t result,
                                  const source::failure& why) {
  std::string sentence;
  if (result != -ECANCELED) sentence = why.why;
  if (!sentence.empty()) export_.report(sentence);
  on_.replies.add(r.reply_to(), protocol::to_wire_error(static_cast<int>(-result)), sentence);
}

awaitable<void> read_service::answer_all() {
  while (under_way_ > 0) co_await done_.wait();
}

awaitable<void> read_service::end(stream::disconnect /*how*/) {
  broken_ = true;
  export_.readers().call_off(work_);
  co_await scope_.join();
}

}  // namespace nbdstream::serve
