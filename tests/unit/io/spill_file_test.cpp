// SPDX-License-Identifier: BSD-3-Clause
#include "io/spill_file.hpp"

#include "in_child.hpp"
#include "io/spill.hpp"
#include "loop.hpp"
#include "support/temp_directory.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <filesystem>
#include <fstream>
#include <memory>

namespace nbdstream::test {
namespace {

const auto unit = io::give_back_unit();

/// What a file may take beside its data: a huge page that it uses a part of.
constexpr std::uint64_t slack = 4 << 20;

/// A file system with a disk, and one in memory.
constexpr std::array directories{"/var/tmp", "/dev/shm"};

awaitable<void> write(io::spill& s, std::uint64_t offset, std::string data, error_code& error) {
  const auto owner = std::make_shared<std::string>(std::move(data));
  const io::spill::piece piece{offset, std::as_bytes(std::span(*owner))};
  error = co_await s.write(std::span(&piece, 1), owner);
}
awaitable<void> read(io::spill& s, std::uint64_t offset, std::string& into, error_code& error) {
  const auto owner = std::make_shared<std::string>(into);
  error = co_await s.read(offset, std::as_writable_bytes(std::span(*owner)), owner);
  into = *owner;
}
awaitable<void> give_back(io::spill& s, std::uint64_t begin, std::uint64_t end) {
  co_await s.give_back(begin, end);
}

awaitable<void> open(io::spill& s, error_code& error) {
  error = co_await s.open();
}

constexpr std::chrono::hours no_hurry{1};

struct spill_rig {
  loop l;
  std::unique_ptr<io::spill> kept;

  explicit spill_rig(const char* directory = "/var/tmp")
      : kept(io::make_spill_file(l.executor(), directory, no_hurry)) {
    error_code error;
    l.spawn(open(*kept, error));
    l.finish();
    if (error) throw boost::system::system_error(error, directory);
  }
  error_code put(std::uint64_t offset, std::string data) {
    error_code error;
    l.spawn(write(*kept, offset, std::move(data), error));
    l.finish();
    return error;
  }
  error_code get(std::uint64_t offset, std::string& into) {
    error_code error;
    l.spawn(read(*kept, offset, into, error));
    l.finish();
    return error;
  }
  std::string get(std::uint64_t offset, std::size_t count) {
    std::string got(count, '?');
    const auto error = get(offset, got);
    EXPECT_FALSE(error) << error.message();
    return got;
  }
  void free(std::uint64_t begin, std::uint64_t end) {
    l.spawn(give_back(*kept, begin, end));
    l.finish();
  }
  /// The space it takes, in bytes.
  [[nodiscard]] std::uint64_t space() const {
    struct stat s {};
    EXPECT_EQ(::fstat(kept->descriptor(), &s), 0);
    return static_cast<std::uint64_t>(s.st_blocks) * 512;
  }
};

TEST(SpillFile, KeepsBytesWhereverTheyLand) {
  for (const auto* const directory : directories) {
    spill_rig r(directory);
    const auto data = numbered(1'000'003);
    EXPECT_FALSE(r.put(50'000'001, data));
    EXPECT_FALSE(r.put(17, data));
    EXPECT_FALSE(r.put(20, "over"));
    EXPECT_TRUE(r.get(50'000'001, data.size()) == data);
    EXPECT_EQ(r.get(17, 10), data.substr(0, 3) + "over" + data.substr(7, 3));
    EXPECT_EQ(r.get(2'000'000, 5), std::string(5, '\0')) << "between them is nothing";
    EXPECT_LT(r.space(), 2 * data.size() + 2 * slack) << "and takes no space";
  }
}

TEST(SpillFile, KeepsBytesFarAlong) {
  spill_rig r("/dev/shm");
  EXPECT_FALSE(r.put(std::uint64_t{1} << 40, "far"));
  EXPECT_EQ(r.get(std::uint64_t{1} << 40, 3), "far");
}

TEST(SpillFile, GivesBackWhatReachesFarBeyondItsEnd) {
  for (const auto* const directory : directories) {
    spill_rig r(directory);
    EXPECT_FALSE(r.put(0, numbered(3 * unit + 1)));
    r.free(unit, (std::uint64_t{1} << 63) - 1);
    EXPECT_LT(r.space(), unit + slack) << directory;
    EXPECT_TRUE(r.get(0, unit) == numbered(unit)) << directory;
  }
}

TEST(SpillFile, WritesManyPiecesWithOneCall) {
  for (const auto* const directory : directories) {
    spill_rig r(directory);
    const std::string data = numbered(1'000'000);
    const auto bytes = std::as_bytes(std::span(data));
    // Neighbours, more of them than one call takes, a gap, and one that lies over others.
    std::vector<io::spill::piece> pieces;
    for (std::size_t i = 0; i < 100; ++i)
      pieces.push_back({i * 5000, bytes.subspan(i * 5000, 5000)});
    pieces.push_back({700'000, bytes.subspan(700'000, 300'000)});
    pieces.push_back({499'999, bytes.first(3)});
    EXPECT_EQ(io::write_pieces_at(r.kept->descriptor(), pieces), 0);
    std::string expected = data.substr(0, 499'999) + data.substr(0, 3);
    EXPECT_EQ(r.get(0, 500'002), expected) << directory;
    EXPECT_EQ(r.get(500'002, 199'998), std::string(199'998, '\0')) << directory;
    EXPECT_EQ(r.get(700'000, 300'000), data.substr(700'000)) << directory;
  }
}

TEST(SpillFile, ServesManyAtOnceInTheirOrder) {
  spill_rig r;
  std::array<error_code, 101> errors;
  for (std::size_t i = 0; i < 100; ++i) {
    r.l.spawn(write(*r.kept, i * 10'000, numbered(10'000), errors[i]));
  }
  for (std::size_t i = 0; i < 10; ++i) r.l.spawn(write(*r.kept, 7, std::to_string(i), errors[i]));
  std::string got(1'000'000, '?');
  r.l.spawn(read(*r.kept, 0, got, errors[100]));
  r.l.finish();
  for (const auto& e : errors) EXPECT_FALSE(e) << e.message();
  EXPECT_EQ(got[7], '9') << "the last one to arrive wins";
  got[7] = numbered(8)[7];
  for (std::size_t i = 0; i < 100; ++i)
    EXPECT_TRUE(got.substr(i * 10'000, 10'000) == numbered(10'000));
}

TEST(SpillFile, ReadingBeyondWhatWasKeptIsAnError) {
  spill_rig r;
  EXPECT_FALSE(r.put(0, "abc"));
  std::string got(4, '?');
  EXPECT_EQ(r.get(0, got).value(), EIO);
}

TEST(SpillFile, HasNoNameAndIsNobodyElses) {
  for (const bool named_first : {false, true}) {
    const temp_directory t;
    const auto file = named_first ? io::make_and_unlink(t.path()) : io::make_unnamed(t.path());
    ASSERT_TRUE(file);
    EXPECT_TRUE(std::filesystem::is_empty(t.path()));
    struct stat s {};
    ASSERT_EQ(::fstat(file->get(), &s), 0);
    EXPECT_EQ(s.st_mode, static_cast<mode_t>(S_IFREG | 0600));
    EXPECT_EQ(s.st_nlink, 0u);
    EXPECT_EQ(::fcntl(file->get(), F_GETFD), FD_CLOEXEC);
    const auto data = numbered(5000);
    EXPECT_EQ(io::write_at(file->get(), 3, std::as_bytes(std::span(data))), 0);
    std::string got(5000, '?');
    EXPECT_EQ(io::read_at(file->get(), 3, std::as_writable_bytes(std::span(got))), 0);
    EXPECT_TRUE(got == data);
  }
}

int error_of_opening(const std::string& directory) {
  loop l;
  const auto spill = io::make_spill_file(l.executor(), directory, no_hurry);
  error_code error;
  l.spawn(open(*spill, error));
  l.finish();
  return error.value();
}

TEST(SpillFile, ADirectoryThatCannotHoldItIsAnError) {
  const temp_directory t;
  std::ofstream(t / "file") << "text";
  EXPECT_EQ(error_of_opening(t / "missing"), ENOENT);
  EXPECT_EQ(error_of_opening(t / "file"), ENOTDIR);
  EXPECT_NE(error_of_opening("/proc"), 0);
}

TEST(SpillFile, AReadOnlyDirectoryIsAnError) {
  const temp_directory t;
  ASSERT_EQ(::chmod(t.path().c_str(), 0555), 0);
  const bool root = ::geteuid() == 0;  // to whom modes mean nothing
  if (root) ::setfsuid(65534);
  EXPECT_EQ(error_of_opening(t.path()), EACCES);
  if (root) ::setfsuid(0);
  ::chmod(t.path().c_str(), 0700);
}

TEST(SpillFile, AFullDiskIsAnErrorAlsoWhereAPartWasTaken) {
  spill_rig r;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limit = before;
  limit.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_EQ(r.put(60'000, numbered(60'000)).value(), EFBIG);
  EXPECT_FALSE(r.put(0, "abc")) << "it can be used further";
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  struct stat s {};
  ASSERT_EQ(::fstat(r.kept->descriptor(), &s), 0);
  EXPECT_EQ(s.st_size, 100'000) << "the write was to be short";

  const io::unique_fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const std::string data = "abc";
  EXPECT_EQ(io::write_at(full.get(), 0, std::as_bytes(std::span(data))), -ENOSPC);
}

TEST(SpillFile, GivesBackTheSpaceOfWholeBlocksAndNothingElse) {
  for (const auto* const directory : directories) {
    spill_rig r(directory);
    const auto data = numbered(3 * unit);
    ASSERT_FALSE(r.put(0, data));
    EXPECT_GE(r.space(), data.size());
    r.free(unit + 1, 2 * unit + 9);
    r.free(2 * unit + 11, 3 * unit);
    r.free(3 * unit + 1, 3 * unit + 5);
    r.free(5, 5);
    r.free(9, 3);
    EXPECT_GE(r.space(), data.size()) << "no whole block is free";
    r.free(unit, unit + 1);
    EXPECT_LT(r.space(), 2 * unit + slack);
    EXPECT_TRUE(r.get(0, unit) == data.substr(0, unit));
    EXPECT_TRUE(r.get(2 * unit, unit) == data.substr(2 * unit));
    EXPECT_EQ(r.get(unit, 3), std::string(3, '\0'));
    r.free(0, 3 * unit);
    EXPECT_LT(r.space(), slack);
  }
}

TEST(SpillFile, GivesBackWhatIsFreedInSmallSteps) {
  spill_rig r("/dev/shm");
  ASSERT_FALSE(r.put(0, numbered(2 * unit)));
  for (std::uint64_t at = 0; at < 2 * unit; at += 100'001) {
    r.free(at, std::min(2 * unit, at + 100'001));
    EXPECT_LE(r.space(), 2 * unit - at / unit * unit + slack);
  }
  EXPECT_EQ(r.space(), 0u);
}

TEST(SpillFile, GivesBackWhatIsFreedInSmallStepsInSeveralPlaces) {
  spill_rig r("/dev/shm");
  ASSERT_FALSE(r.put(0, numbered(2 * unit)));
  for (std::uint64_t at = 0; at < 2 * unit; at += 1'000'001) {
    r.free(at, std::min(2 * unit, at + 1'000'001));
    r.free(9 * unit + at * 3, 9 * unit + at * 3 + 4096);
  }
  EXPECT_EQ(r.space(), 0u);
  r.free(9 * unit, 99 * unit);
  ASSERT_FALSE(r.put(20 * unit, "kept"));
  r.free(0, 20 * unit);
  EXPECT_EQ(r.get(20 * unit, 4), "kept");
}

TEST(SpillFile, KeepsWhatIsWrittenAgain) {
  spill_rig r("/dev/shm");
  ASSERT_FALSE(r.put(0, numbered(2 * unit)));
  r.free(0, unit / 2);
  ASSERT_FALSE(r.put(unit / 4, "again"));
  r.free(unit / 2, unit + unit / 2);
  EXPECT_EQ(r.get(unit / 4, 5), "again");
  r.free(0, unit);
  ASSERT_FALSE(r.put(10, "and again"));
  EXPECT_EQ(r.get(8, 11), std::string("\0\0and again", 11));
  r.free(unit + unit / 2, 2 * unit);
  EXPECT_EQ(r.get(8, 11), std::string("\0\0and again", 11));
}

/// From now on the call `number` of the system never returns to this process, a child, and to
/// threads that are still to come. Returns a descriptor that is readable while one is made; -1: the
/// system does not allow that.
int hang_call(long number) {
  std::array<sock_filter, 4> rules{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog program{rules.size(), rules.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

/// What a call may still use after it has returned.
struct memory_of_calls {
  std::array<std::byte, 100> bytes{};
  io::spill::piece piece{0, bytes};
};

struct use_of_spill {
  std::shared_ptr<memory_of_calls> memory = std::make_shared<memory_of_calls>();
  error_code error;
  bool done = false;
};

/// Makes each call that there is, until one fails.
awaitable<void> use(io::spill& s, use_of_spill& u) {
  const auto memory = std::exchange(u.memory, nullptr);
  const std::span<const io::spill::piece> pieces(&memory->piece, 1);
  u.error = co_await s.open();
  if (!u.error) u.error = co_await s.write(pieces, memory);
  if (!u.error) u.error = co_await s.read(0, memory->bytes, memory);
  if (!u.error) co_await s.give_back(0, unit);
  if (!u.error) u.error = co_await s.write(pieces, memory);
  u.done = true;
}

/// Returns 0 where all is as it should be.
int use_while_it_hangs(long number, bool asked) {
  loop l;
  const auto timeout = asked ? io::clock::duration(no_hurry) : std::chrono::milliseconds(50);
  auto kept = io::make_spill_file(l.executor(), "/var/tmp", timeout);
  const int hanging = hang_call(number);
  if (hanging < 0) return 1;
  use_of_spill u;
  const std::weak_ptr<void> memory = u.memory;
  l.spawn(use(*kept, u));
  pollfd p{hanging, POLLIN, 0};
  if (!l.until([&] { return ::poll(&p, 1, 0) == 1; })) return 2;
  if (asked) kept->abandon();
  if (!l.until([&] { return u.done; })) return 3;
  // Of giving back nothing is told; what comes after it tells.
  const bool told = number != SYS_fallocate;
  const error_code meant =
      told && !asked ? from_errno(ETIMEDOUT) : error_code(asio::error::operation_aborted);
  if (u.error != meant) return 4;
  // The system still reads or writes there.
  const bool in_use = number == SYS_pwritev || number == SYS_pread64;
  kept.reset();
  return memory.expired() == in_use ? 5 : 0;
}

TEST(SpillFile, ACallThatHangsEndsAtItsTimeoutOrWhenTheSpillIsAbandoned) {
  for (const long number : {SYS_openat, SYS_pwritev, SYS_pread64, SYS_fallocate}) {
    for (const bool asked : {false, true}) {
      EXPECT_EQ(in_child([=] { return use_while_it_hangs(number, asked); }), 0)
          << number << (asked ? ", abandoned" : "");
    }
  }
}

}  // namespace
}  // namespace nbdstream::test
