// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/checks.hpp"

#include "conformance/symbols.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <map>
#include <thread>

namespace nbdstream::conformance {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::uint64_t MiB = 1 << 20;

/// What a process has that a module may forget to give back.
struct holdings {
  std::map<std::string, std::string> descriptors;  ///< number, and what it refers to
  std::size_t threads = 0;

  static holdings now() {
    holdings h;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      const auto target = fs::read_symlink(entry.path(), error).string();
      // One is that of the directory which is being read.
      if (!error && !target.ends_with("/fd"))
        h.descriptors.emplace(entry.path().filename().string(), target);
    }
    const fs::directory_iterator tasks("/proc/self/task");
    h.threads = static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
    return h;
  }
};

/// What there is more of than `before`; empty: nothing. A thread that has ended may be seen for
/// another moment.
std::string more_than(const holdings& before) {
  std::vector<std::string> more;
  const auto until = clock::now() + 1s;
  do {
    more.clear();
    const auto now = holdings::now();
    for (const auto& [number, target] : now.descriptors)
      if (!before.descriptors.contains(number))
        more.push_back(fmt::format("descriptor {} ({})", number, target));
    if (now.threads > before.threads)
      more.push_back(fmt::format("{} threads", now.threads - before.threads));
    if (more.empty()) return {};
    std::this_thread::sleep_for(10ms);
  } while (clock::now() < until);
  return fmt::format("{}", fmt::join(more, ", "));
}

void check_table(fixture& f) {
  const auto& t = f.table();
  const auto& report = f.given().report;
  const auto lines = [&](const char* text, std::string_view what) {
    const std::string_view line(text);
    if (line.empty() || line.ends_with('.') || line.find('\n') != line.npos)
      report.violation(fmt::format("{} is \"{}\"", what, line), contract::one_line);
  };
  lines(t.description, "the description");
  for (const auto& o : f.given().module.options)
    lines(o.help, fmt::format("the help of {}", o.name));
  if (t.abi_minor > NBDSTREAM_SINK_ABI_MINOR) {
    report.send(kind::note,
                fmt::format("made for ABI {}.{}; what {}.{} does not have is not checked",
                            NBDSTREAM_SINK_ABI_MAJOR, t.abi_minor, NBDSTREAM_SINK_ABI_MAJOR,
                            NBDSTREAM_SINK_ABI_MINOR));
    return;
  }
  if ((t.flags & ~std::uint32_t{NBDSTREAM_SINK_USES_STDOUT}) != 0)
    report.violation(fmt::format("flags is {:#x}, which has unknown bits", t.flags),
                     "enum nbdstream_sink_flags");
  constexpr std::uint32_t phases =
      NBDSTREAM_BLOCKING_OPEN | NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH;
  if ((t.blocking & ~phases) != 0)
    report.violation(fmt::format("blocking is {:#x}, which has unknown bits", t.blocking),
                     "enum nbdstream_sink_blocking, combined with |");
  if (t.blocking != 0 && !t.interrupt)
    report.send(kind::note,
                "calls may block, and there is no interrupt: where one does for longer "
                "than --grace, the host exits without abort");
}

void check_symbols(fixture& f) {
  auto names = exported_symbols(f.given().module.path);
  if (!names) return f.leave_out("the file has no table of symbols");
  const auto entry = fmt::format("nbdstream_sink_v{}", NBDSTREAM_SINK_ABI_MAJOR);
  // A module may be one for several majors, and a source, too.
  std::erase_if(*names, [](const auto& n) {
    return n.starts_with("nbdstream_sink_v") || n.starts_with("nbdstream_source_v");
  });
  if (names->empty()) return;
  std::sort(names->begin(), names->end());
  const auto shown = std::span(*names).first(std::min<std::size_t>(names->size(), 5));
  f.given().report.violation(
      fmt::format("it exports {}{} beside {}: hide them (-fvisibility=hidden, a version script)",
                  fmt::join(shown, ", "), names->size() > shown.size() ? ", ..." : "", entry),
      contract::none);
}

void check_create(fixture& f) {
  // What libraries keep for the process is there after the first time. Where there can be but one
  // sink in a process, they are given the benefit of no doubt.
  if (!f.one_stream()) f.created().destroy();
  const auto before = holdings::now();
  f.created().destroy();
  const auto more = more_than(before);
  if (!more.empty())
    f.given().report.violation(fmt::format("destroy has left behind: {}", more),
                               contract::destroy_frees);
}

void check_two(fixture& f) {
  if (f.one_stream()) return f.leave_out("it writes to standard output, of which there is one");
  subject& first = f.created();
  subject& second = f.make();
  if (!second.create(true)) {
    f.leave_out("a second sink with the same settings is refused while there is a first");
    return first.destroy();
  }
  first.destroy();
  second.open();
  second.write(1000);
  second.commit();
  second.destroy();
}

void check_empty_stream(fixture& f) {
  subject& s = f.created();
  s.open();
  s.commit();
  s.destroy();
}

void check_odd_sizes(fixture& f) {
  constexpr std::array<std::uint64_t, 12> sizes{1,    1,    2,     3,     5,      511,
                                                4095, 4097, 65535, 65537, 131071, MiB + 1};
  subject& s = f.created();
  s.open();
  for (const auto size : sizes) s.write(size);
  s.commit();
  s.destroy();
}

/// As much as the host ever gives to one call: the payload of the largest request.
void check_large_write(fixture& f) {
  subject& s = f.created();
  s.open();
  s.write(32 * MiB);
  s.commit();
  s.destroy();
}

void check_zeroes(fixture& f) {
  subject& s = f.created();
  s.open();
  s.zero(1);
  s.write(1000);
  s.zero(MiB + 1);
  s.write(1);
  s.zero(4095);
  s.commit();
  s.destroy();
}

void check_endless_zeroes(fixture& f) {
  if (!f.table().zero) return f.leave_out("it has no zero");
  subject& s = f.created();
  s.open();
  s.write(10);
  const auto n = s.try_zero(std::uint64_t{1} << 40, {.once = true, .interrupted = 1s});
  if (n < 0 && n != -EAGAIN && n != -ENOTSUP && n != -EINTR)
    f.given().report.send(kind::note, fmt::format("zero of 1 TiB said {}", n));
  s.abort();
  s.destroy();
}

void check_flush(fixture& f) {
  if (!f.table().flush) return f.leave_out("it has no flush");
  subject& s = f.created();
  s.open();
  s.flush();
  s.write(1000);
  s.flush();
  s.flush();
  s.zero(1000);
  s.flush();
  s.commit();
  s.destroy();
}

/// The host may know how long a stream will be; that says nothing of whether it comes to that.
void check_exact_size(fixture& f) {
  subject& s = f.created();
  s.open(3 * MiB);
  s.write(1000);
  s.zero(MiB);
  s.write(2 * MiB - 1000);
  s.commit();
  if (!f.one_stream()) {
    s.open(MiB);
    s.write(1000);
    s.abort();
  }
  s.destroy();
}

/// At any point, however often; a descriptor that was lent is with the host meanwhile.
void check_check(fixture& f) {
  if (!f.table().check) return f.leave_out("it has no check");
  subject& s = f.created();
  s.open();
  s.check();
  s.write(1000);
  s.check();
  s.check();
  s.zero(1000);
  s.check();
  s.commit();
  if (!f.one_stream()) {
    s.open();
    s.check();
    s.abort();
  }
  s.destroy();
}

void check_several_streams(fixture& f) {
  if (f.one_stream()) return f.leave_out("it is for one stream");
  subject& s = f.created();
  for (int i = 0; i < 3; ++i) {
    s.open();
    s.write(1000);
    s.commit();
  }
  s.destroy();
}

void check_nothing_is_kept(fixture& f) {
  if (f.one_stream()) return f.leave_out("it is for one stream");
  subject& s = f.created();
  const auto two_streams = [&] {
    s.open();
    s.write(1000);
    s.commit();
    s.open();
    s.write(1000);
    s.abort();
  };
  two_streams();
  const auto before = holdings::now();
  two_streams();
  const auto more = more_than(before);
  if (!more.empty())
    s.complain(fmt::format("of streams that are over is left: {}", more),
               contract::not_open_afterwards);
  s.destroy();
}

constexpr check all[] = {
    {"has a table that makes sense", check_table},
    {"exports its entry point, and nothing else", check_symbols},
    {"is created and destroyed without a stream", check_create, true},
    {"takes an empty stream", check_empty_stream, true},
    {"takes a stream in pieces of odd sizes", check_odd_sizes},
    {"takes much at once", check_large_write},
    {"takes zeroes between data", check_zeroes},
    {"takes a part of a very long run of zeroes", check_endless_zeroes},
    {"is flushed at any point", check_flush},
    {"takes a stream whose size is known", check_exact_size},
    {"answers whether it can continue", check_check},
    {"takes one stream after another", check_several_streams},
    {"works twice in one process", check_two},
    {"is aborted right after open", check_abort_after_open},
    {"is aborted after some data", check_abort_after_data},
    {"is aborted while open says -EAGAIN", check_abort_instead_of_open},
    {"is aborted while commit says -EAGAIN", check_abort_instead_of_commit},
    {"is aborted after a commit that failed", check_failed_commit},
    {"fails to commit when its reader leaves", check_reader_that_leaves},
    {"is interrupted in open", check_interrupted_open},
    {"is interrupted in a write", check_interrupted_write},
    {"is interrupted in commit", check_interrupted_commit},
    {"keeps nothing of streams that are over", check_nothing_is_kept},
};

}  // namespace

std::span<const check> checks() {
  return all;
}

subject& fixture::make() {
  return *subjects_.emplace_back(std::make_unique<subject>(setup_));
}

subject& fixture::created() {
  subject& s = make();
  s.create();
  return s;
}

void fixture::clean_up() {
  for (const auto& s : subjects_) {
    try {
      if (s->is_open()) s->abort();
      if (s->is_created()) s->destroy();
    } catch (const check_aborted&) {
      // It was reported, and the next one may still come to an end.
    }
  }
}

}  // namespace nbdstream::conformance
