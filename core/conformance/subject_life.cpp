// SPDX-License-Identifier: BSD-3-Clause
//
// The calls one by one, and what each of them promises.
#include "conformance/subject.hpp"

#include <fcntl.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nbdstream::conformance {
namespace {

constexpr std::size_t zero_piece = 256 << 10;
constexpr char gone = '\xdd';  // what memory holds that was the module's only during the call

/// The bytes of a stream: none of them zero, the same ones at the same offset.
std::string bytes_at(std::uint64_t offset, std::uint64_t count) {
  std::string data(count, '\0');
  for (auto& byte : data) {
    byte = static_cast<char>(1 + offset * 0x9e3779b97f4a7c15 % 251);
    ++offset;
  }
  return data;
}

}  // namespace

bool subject::create(bool may_refuse) {
  creating_ = true;
  const call create_it = [&] {
    calling_ = std::this_thread::get_id();
    const auto result = table_.create(&host_, &self_);
    calling_ = std::thread::id();
    return result;
  };
  const auto result = caller_->call_on_loop("create", create_it, caller::blocking::briefly);
  creating_ = false;
  created_ = result >= 0;
  if (!created_ && !may_refuse) fail("create", result, contract::create);
  return created_;
}

void subject::destroy() {
  const call destroy_it = [&]() -> std::int64_t {
    calling_ = std::this_thread::get_id();
    table_.destroy(self_);
    calling_ = std::thread::id();
    return 0;
  };
  caller_->call_on_loop("destroy", destroy_it);
  created_ = false;
  caller_.reset();  // with the thread
  wake_.reset();    // what is left behind is not ours
}

std::int64_t subject::try_open(call_mode how, std::optional<std::uint64_t> exactly) {
  ++stream_;
  sent_ = {};
  given_ = 0;
  in_stream_ = true;
  may_check_ = false;
  std::string unique_id = fmt::format("{:032x}", 0xc0ffee + stream_);
  std::string name = stream_ % 2 == 0 ? "disk/\xc3\xa4 1" : "";
  nbdstream_stream info{};
  info.struct_size = sizeof info;
  // Every other stream is one of known length, which is a limit: none reaches it. It is no more
  // than S3 takes in 10,000 of its smallest parts: a sink may refuse what it could not take.
  info.flags = stream_ % 2 == 0 ? NBDSTREAM_STREAM_SIZE_KNOWN : 0;
  info.id = stream_;
  info.size = stream_ % 2 == 0 ? std::uint64_t{32} << 30 : 0;
  if (exactly) {
    info.flags = NBDSTREAM_STREAM_SIZE_KNOWN | NBDSTREAM_STREAM_SIZE_EXACT;
    info.size = *exactly;
  }
  info.export_name = name.c_str();
  info.unique_id = unique_id.c_str();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  info.began_ns = std::chrono::nanoseconds(now).count();
  const call open_it = [&] { return table_.open(self_, &info); };
  open_ = true;  // what fails needs an abort like what does not
  const auto result = perform("open", NBDSTREAM_BLOCKING_OPEN, open_it, how);
  std::ranges::fill(name, gone);
  std::ranges::fill(unique_id, gone);
  std::memset(&info, gone, sizeof info);
  if (result >= 0) borrow();
  return result;
}

void subject::borrow() {
  if (!table_.native_fd) return;
  std::uint32_t flags = 0;
  const call lend = [&] {
    calling_ = std::this_thread::get_id();
    const auto fd = table_.native_fd(self_, &flags);
    calling_ = std::thread::id();
    return fd;
  };
  const auto fd = static_cast<int>(caller_->call_on_loop("native_fd", lend));
  if (fd < -1) fail("native_fd", fd, contract::lends_or_not);
  if (fd == -1 && !table_.write) {
    complain("native_fd lends no descriptor, and there is no write", contract::write_required);
    throw check_aborted();
  }
  if (fd == -1) return;
  if (const auto fault = lent_descriptor::fault_of(fd); !fault.empty()) {
    complain(fmt::format("native_fd lends {}", fault), contract::lends);
    throw check_aborted();
  }
  const auto flags_of_stdout = [&] {
    return setup_.standard_output < 0 ? 0 : ::fcntl(setup_.standard_output, F_GETFL);
  };
  const int before = flags_of_stdout();
  lent_.emplace(fd, (flags & NBDSTREAM_FD_SHARED) != 0);
  if (flags_of_stdout() != before) {
    complain("native_fd lends the standard output that others share without NBDSTREAM_FD_SHARED",
             contract::not_ours_to_change);
  }
}

void subject::check_lent() {
  if (!lent_) return;
  const auto change = lent_->change();
  const auto broken = lent_->shared() ? contract::not_ours_to_change : contract::lends;
  if (!change.empty())
    complain(fmt::format("the module has lent a descriptor, and then {}", change), broken);
}

void subject::open(std::optional<std::uint64_t> exactly) {
  const auto result = try_open({}, exactly);
  if (result < 0) fail("open", result, contract::open_begins);
}

void subject::check_count(std::string_view name, std::int64_t n, std::uint64_t most,
                          contract::sentence broken) {
  if (n < 0) fail(name, n, broken);
  if (n > 0 && static_cast<std::uint64_t>(n) <= most) return;
  complain(fmt::format("{} was given {} bytes, and said that it took {}", name, most, n), broken);
  throw check_aborted();
}

std::int64_t subject::try_write(std::uint64_t count, call_mode how) {
  auto data = bytes_at(sent_.length, count);
  given_ = sent_.length + count;
  const call write_it = [&] { return table_.write(self_, data.data(), data.size()); };
  const auto n = perform("write", NBDSTREAM_BLOCKING_WRITE, write_it, how);
  std::fill(data.begin(), data.end(), gone);
  return n;
}

void subject::write(std::uint64_t count) {
  send(bytes_at(sent_.length, count));
}

void subject::send_lent(std::string_view data) {
  constexpr std::size_t most = 64 << 10;
  while (!data.empty()) {
    const auto piece = data.substr(0, most);
    const call write_it = [&]() -> std::int64_t { return lent_->write(piece, setup_.grace); };
    // Its deadline is its own; only a file can make it late.
    const auto patience = 2 * setup_.grace;
    const auto failed =
        caller_->call_on_thread("a write to the lent descriptor", write_it, {}, patience);
    if (failed < 0) {
      if (failed == -ETIMEDOUT) setup_.report.send(kind::note, "is the other side reading?");
      fail("a write to the lent descriptor", failed, contract::lends);
    }
    sent_.add(piece);
    data.remove_prefix(piece.size());
  }
}

/// Appends `data`, all of it, as a host does.
void subject::send(std::string data) {
  given_ = sent_.length + data.size();
  if (lent_) return send_lent(data);
  for (std::size_t at = 0; at < data.size();) {
    const auto left = data.size() - at;
    const call write_it = [&] { return table_.write(self_, data.data() + at, left); };
    const auto n = perform("write", NBDSTREAM_BLOCKING_WRITE, write_it, {});
    check_count("write", n, left, contract::write_takes);
    const auto taken = static_cast<std::size_t>(n);
    sent_.add(std::string_view(data).substr(at, taken));
    std::fill_n(data.begin() + static_cast<std::ptrdiff_t>(at), taken, gone);
    at += taken;
  }
}

std::int64_t subject::try_zero(std::uint64_t count, call_mode how) {
  const auto before = lent_ ? lent_->offset() : std::nullopt;
  given_ = sent_.length + count;
  const call zero_it = [&] { return table_.zero(self_, count); };
  const auto n = perform("zero", NBDSTREAM_BLOCKING_WRITE, zero_it, how);
  if (n == 0 || n > static_cast<std::int64_t>(count))
    check_count("zero", n, count, contract::zero_appends);
  if (before && n >= 0 && lent_->offset() != *before + n) {
    complain(fmt::format("zero said that it took {} bytes, and moved the lent descriptor on by {}",
                         n, lent_->offset().value_or(*before) - *before),
             contract::zero_moves);
  }
  return n;
}

void subject::zero(std::uint64_t count) {
  while (count > 0 && table_.zero) {
    const auto n = try_zero(count, {});
    if (n == -ENOTSUP) break;
    if (n < 0) fail("zero", n, contract::zero_appends);
    sent_.add(std::string(static_cast<std::size_t>(n), '\0'));
    count -= static_cast<std::uint64_t>(n);
  }
  while (count > 0) {
    const auto piece = std::min<std::uint64_t>(count, zero_piece);
    send(std::string(piece, '\0'));
    count -= piece;
  }
}

std::int64_t subject::try_flush(call_mode how) {
  const call flush_it = [&] { return table_.flush(self_); };
  return perform("flush", NBDSTREAM_BLOCKING_WRITE, flush_it, how);
}

void subject::flush() {
  if (!table_.flush) return;
  const auto result = try_flush({});
  if (result < 0) fail("flush", result, contract::flush);
}

std::int64_t subject::try_commit(call_mode how) {
  check_lent();
  lent_.reset();
  const auto length = sent_.length;
  const call commit_it = [&] { return table_.commit(self_, length); };
  committing_ = true;
  const auto result = perform("commit", NBDSTREAM_BLOCKING_FINISH, commit_it, how);
  committing_ = false;
  if (result < 0) return result;
  open_ = false;
  in_stream_ = false;
  may_check_ = false;
  setup_.report.send(kind::committed, sent_.text());
  return result;
}

void subject::commit() {
  const auto result = try_commit({});
  if (result < 0) fail("commit", result, contract::commit_is_final);
}

void subject::abort() {
  check_lent();
  lent_.reset();
  open_ = false;
  const call abort_it = [&] { return table_.abort(self_); };
  may_check_ = false;
  const auto result = perform("abort", NBDSTREAM_BLOCKING_FINISH, abort_it, {});
  in_stream_ = false;
  if (result < 0) fail("abort", result, contract::abort_never_fails);
}

}  // namespace nbdstream::conformance
