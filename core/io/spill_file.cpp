// SPDX-License-Identifier: BSD-3-Clause
#include "io/spill_file.hpp"

#include "io/spill.hpp"
#include "io/worker.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace nbdstream::io {
namespace {

/// Nothing stands behind the file's end, and ext4 refuses what reaches beyond the largest file.
std::int64_t punch(int file, std::uint64_t first, std::uint64_t last, std::uint64_t unit) noexcept {
  struct stat s {};
  if (::fstat(file, &s) != 0) return -errno;
  last = std::min(last, (static_cast<std::uint64_t>(s.st_size) + unit - 1) / unit * unit);
  if (first >= last) return 0;
  const auto done = ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(first), static_cast<off_t>(last - first));
  return done == 0 ? 0 : -errno;
}

/// Made in a way that the file system takes.
io_result<unique_fd> make_file(const std::string& directory) {
  auto file = make_unnamed(directory);
  if (file) return file;
  // How file systems, kernels and sandboxes say that they do not know O_TMPFILE.
  const int why = file.error().value();
  const bool unknown = why == EOPNOTSUPP || why == EISDIR || why == EINVAL || why == ENOSYS;
  return unknown ? make_and_unlink(directory) : std::move(file);
}

/// Whether bytes can stand at any offset: some file systems only append. Returns 0 or -errno.
std::int64_t try_offsets(int file) {
  constexpr std::byte nothing{};
  const auto written = write_at(file, 1 << 20, std::span(&nothing, 1));
  if (written < 0) return written;
  return ::ftruncate(file, 0) == 0 ? 0 : -errno;
}

/// Every call goes to the thread: RWF_NOWAIT, which could spare that, is not to be had for writes
/// to page cache on ext4 and tmpfs.
class spill_file final : public spill {
 public:
  spill_file(const asio::any_io_executor& executor, std::string directory, clock::duration timeout)
      : directory_(std::move(directory)), timeout_(timeout), thread_(executor), turns_(executor) {
    // To close a large file takes its time.
    thread_.at_end([file = file_] {
      file->reset();
      return 0;
    });
  }

  awaitable<error_code> open() override {
    worker::job job = [to = file_, directory = directory_]() -> std::int64_t {
      auto made = make_file(directory);
      if (!made) return -made.error().value();
      *to = std::move(*made);
      return 0;
    };
    co_return co_await run(std::move(job));
  }

  awaitable<error_code> write(std::span<const piece> pieces,
                              std::shared_ptr<const void> owner) override {
    const auto turn = co_await turns_.wait_and_enter();
    for (const auto& p : pieces) {
      const auto end = p.offset + p.data.size();
      if (p.offset < idle_end_ && idle_begin_ < end) idle_begin_ = idle_end_ = 0;
    }
    worker::job job = [file = file_, pieces, owner = std::move(owner)] {
      return write_pieces_at(file->get(), pieces);
    };
    co_return co_await run(std::move(job));
  }

  awaitable<error_code> read(std::uint64_t offset, std::span<std::byte> into,
                             std::shared_ptr<void> owner) override {
    const auto turn = co_await turns_.wait_and_enter();
    worker::job job = [file = file_, offset, into, owner = std::move(owner)] {
      return read_at(file->get(), offset, into);
    };
    co_return co_await run(std::move(job));
  }

  awaitable<void> give_back(std::uint64_t begin, std::uint64_t end) override {
    const auto turn = co_await turns_.wait_and_enter();
    if (begin >= end || cannot_punch_) co_return;
    const bool adjoins = begin <= idle_end_ && idle_begin_ <= end;
    // Of two that are apart the first is kept in mind: the stream's cursor comes from there.
    const bool remembered = adjoins || begin < idle_begin_ || idle_begin_ == idle_end_;
    if (adjoins) {
      begin = std::min(begin, idle_begin_);
      end = std::max(end, idle_end_);
    }
    if (remembered) {
      idle_begin_ = begin;
      idle_end_ = end;
    }
    const auto unit = give_back_unit();
    const auto first = (begin + unit - 1) / unit * unit;
    const auto last = end / unit * unit;
    if (first >= last) co_return;
    const bool punched = co_await give_back_units(first, last, unit);
    if (punched && remembered) idle_begin_ = last;
  }

  awaitable<void> discard(std::uint64_t begin, std::uint64_t end) override {
    const auto turn = co_await turns_.wait_and_enter();
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const auto first = (begin + page - 1) / page * page;
    const auto last = end / page * page;
    if (first < last && !cannot_punch_) (void)co_await give_back_units(first, last, page);
  }

  void abandon() override { thread_.abandon(); }

  [[nodiscard]] int descriptor() const noexcept override { return file_->get(); }

 private:
  awaitable<bool> give_back_units(std::uint64_t first, std::uint64_t last, std::uint64_t unit) {
    worker::job job = [file = file_, first, last, unit] {
      return punch(file->get(), first, last, unit);
    };
    const auto error = co_await run(std::move(job));
    cannot_punch_ = error.value() == EOPNOTSUPP || error.value() == ENOSYS;
    co_return !error;
  }

  awaitable<error_code> run(worker::job job) {
    const auto until = clock::now() + timeout_;
    const auto result = co_await thread_.run(std::move(job), until);
    if (result == -ECANCELED) co_return asio::error::operation_aborted;
    co_return from_errno(static_cast<int>(-result));
  }

  std::string directory_;
  clock::duration timeout_;
  /// Also of a call that was abandoned.
  std::shared_ptr<unique_fd> file_ = std::make_shared<unique_fd>();
  worker thread_;
  fair_mutex turns_;
  /// What was given back and has not been punched: with its neighbours it may make a block.
  std::uint64_t idle_begin_ = 0;
  std::uint64_t idle_end_ = 0;
  bool cannot_punch_ = false;
};

}  // namespace

std::uint64_t give_back_unit() noexcept {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) << 11;
}

io_result<unique_fd> make_unnamed(const std::string& directory) {
  unique_fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return from_errno();
  return file;
}

io_result<unique_fd> make_and_unlink(const std::string& directory) {
  std::string name = directory + "/nbdstream-spill-XXXXXX";
  unique_fd file(::mkostemp(name.data(), O_CLOEXEC));
  if (!file) return from_errno();
  if (::unlink(name.c_str()) != 0) return from_errno();
  return file;
}

std::int64_t write_at(int file, std::uint64_t offset, std::span<const std::byte> data) noexcept {
  while (!data.empty()) {
    const auto n = ::pwrite(file, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return -EIO;
    offset += static_cast<std::uint64_t>(n);
    data = data.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

std::int64_t write_pieces_at(int file, std::span<const spill::piece> pieces) noexcept {
  constexpr std::size_t most = 64;
  std::array<iovec, most> parts;
  while (!pieces.empty()) {
    const auto begin = pieces.front().offset;
    auto end = begin;
    std::size_t count = 0;
    for (; count < std::min(pieces.size(), most) && pieces[count].offset == end; ++count) {
      const auto data = pieces[count].data;
      parts[count] = {const_cast<std::byte*>(data.data()), data.size()};
      end += data.size();
    }
    const auto done =
        ::pwritev(file, parts.data(), static_cast<int>(count), static_cast<off_t>(begin));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return -errno;
    if (done == 0) return -EIO;
    // The rest of a piece that was written in part goes alone.
    auto left = static_cast<std::size_t>(done);
    for (; !pieces.empty() && left >= pieces.front().data.size(); pieces = pieces.subspan(1)) {
      left -= pieces.front().data.size();
    }
    if (left == 0) continue;
    const auto& cut = pieces.front();
    const auto rest = write_at(file, cut.offset + left, cut.data.subspan(left));
    if (rest < 0) return rest;
    pieces = pieces.subspan(1);
  }
  return 0;
}

std::int64_t read_at(int file, std::uint64_t offset, std::span<std::byte> into) noexcept {
  while (!into.empty()) {
    const auto n = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return -EIO;
    offset += static_cast<std::uint64_t>(n);
    into = into.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

error_code try_spill_directory(const std::string& directory) {
  const auto made = make_file(directory);
  if (!made) return made.error();
  return from_errno(static_cast<int>(-try_offsets(made->get())));
}

std::unique_ptr<spill> make_spill_file(const asio::any_io_executor& executor, std::string directory,
                                       clock::duration timeout) {
  return std::make_unique<spill_file>(executor, std::move(directory), timeout);
}

}  // namespace nbdstream::io
