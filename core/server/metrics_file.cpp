// SPDX-License-Identifier: BSD-3-Clause
#include "server/metrics_file.hpp"

#include "io/own_file.hpp"
#include "io/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace nbdstream {
namespace {

/// How long the end of the process may wait for the disk.
constexpr auto write_patience = std::chrono::seconds(5);

/// Beside the file, hidden, and without its ending: node_exporter reads *.prom.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  return path.parent_path() / fmt::format(".{}.nbdstream-{}", path.filename().string(), ::getpid());
}

bool is_metrics(std::string_view begin) {
  return begin.starts_with("# HELP nbdstream");
}

}  // namespace

/// node_exporter is another user, who must be able to read the file, whatever umask says.
std::int64_t metrics_file::replace_file(const std::string& path, const std::string& text) {
  if (const auto taken = io::check_replaceable(path, is_metrics); taken < 0) return taken;
  const auto temporary = temporary_beside(path);
  ::unlink(temporary.c_str());  // of one that was killed at this point; in a container IDs recur
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  io::unique_fd file(::open(temporary.c_str(), flags, 0666));
  if (!file) return -errno;
  ::fchmod(file.get(), 0644);
  errno = ENOSPC;  // where less is written than there is
  const auto written = ::write(file.get(), text.data(), text.size());
  bool done = written == static_cast<ssize_t>(text.size());
  // Some file systems tell only then that nothing has arrived.
  if (done) done = ::close(file.release()) == 0;
  if (done) done = ::rename(temporary.c_str(), path.c_str()) == 0;
  if (done) return 0;
  const int error = errno;
  ::unlink(temporary.c_str());
  return -error;
}

metrics_file::metrics_file(const asio::any_io_executor& executor, std::string path,
                           log::logger& log, replace_call call)
    : path_(std::move(path)), log_(log), call_(call), worker_(executor), written_(executor) {}

awaitable<void> metrics_file::write(std::string text) {
  co_await replace(std::move(text), io::clock::time_point::max());
}

awaitable<void> metrics_file::write_last(std::string text) {
  const auto until = io::clock::now() + write_patience;
  while (worker_.busy() && !worker_.abandoned() && io::clock::now() < until) {
    co_await written_.wait(until);
  }
  if (worker_.busy()) {
    worker_.abandon();
    warn(ETIMEDOUT);
    co_return;
  }
  co_await replace(std::move(text), until);
}

awaitable<void> metrics_file::replace(std::string text, io::clock::time_point until) {
  io::worker::job job = [call = call_, path = path_, content = std::move(text)] {
    return call(path, content);
  };
  const auto result = co_await worker_.run(std::move(job), until);
  if (result != 0 && result != -ECANCELED) warn(static_cast<int>(-result));
  written_.notify_all();
}

void metrics_file::warn(int error) {
  if (std::exchange(warned_, true)) return;
  log_.warning("--metrics-file {}: cannot be written: {}; the streams go on without it", path_,
               std::generic_category().message(error));
}

}  // namespace nbdstream
