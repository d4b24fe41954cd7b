// SPDX-License-Identifier: BSD-3-Clause
#include "surroundings.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "host.hpp"

namespace sink_tests {

directory::directory() {
  std::string name = std::filesystem::temp_directory_path() / "nbdstream-abi-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

directory::~directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> directory::names() const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    found.push_back(entry.path().filename());
  std::ranges::sort(found);
  return found;
}

process::process(const std::function<int()>& body) : pid_(::fork()) {
  if (pid_ == 0) ::_exit(body());
}

process process::running(const std::vector<std::string>& command) {
  return process([&command] {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    (void)::execvp(arguments[0], arguments.data());
    return 127;
  });
}

process::~process() {
  if (pid_ <= 0) return;
  (void)::kill(pid_, SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);
}

int process::wait() {
  const descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  pollfd entry{handle.get(), POLLIN, 0};
  const auto limit = std::chrono::milliseconds(patience * 2).count();
  if (::poll(&entry, 1, static_cast<int>(limit)) != 1) {
    ADD_FAILURE() << "the process did not end";
    return -1;
  }
  int status = 0;
  (void)::waitpid(std::exchange(pid_, 0), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

descriptor reader_of(const std::string& fifo) {
  return descriptor(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

std::string read_from(int fd, size_t limit) {
  std::string all;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (all.size() < limit && std::chrono::steady_clock::now() < deadline) {
    char buffer[65536];
    const ssize_t length = ::read(fd, buffer, std::min(sizeof buffer, limit - all.size()));
    if (length > 0) all.append(buffer, static_cast<size_t>(length));
    if (length == 0 || (length < 0 && errno != EAGAIN)) return all;
    pollfd entry{fd, POLLIN, 0};
    if (length < 0) (void)::poll(&entry, 1, 1000);
  }
  return all;
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void create_file(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) status.st_mode = 0;
  return status;
}

std::string pattern(size_t length, unsigned seed) {
  std::string bytes(length, '\0');
  for (size_t i = 0; i < length; ++i)
    bytes[i] = static_cast<char>((i * 2654435761U >> 7) + size_t{seed} * 31);
  return bytes;
}

}  // namespace sink_tests
