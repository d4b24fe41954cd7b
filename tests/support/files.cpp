// SPDX-License-Identifier: BSD-3-Clause
#include "support/files.hpp"

#include "support/process.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace nbdstream::test {

std::string read_file(const std::filesystem::path& file) {
  const std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();  // does not throw where reading fails, as of a process that is gone
  return std::move(text).str();
}

void write_file(const std::filesystem::path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text << std::flush;
  if (!out) throw std::runtime_error("cannot write " + file.string());
}

std::string pattern(std::uint64_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min(sizeof word, bytes.size() - at));
  }
  return bytes;
}

void make_raw(const std::filesystem::path& file, std::uint64_t size) {
  write_file(file, pattern(size));
}

void make_sparse(const std::filesystem::path& file, std::uint64_t size) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  for (std::uint64_t at = MiB; at + 2 * MiB <= size; at += 2 * MiB) {
    out.seekp(static_cast<std::streamoff>(at));
    out << pattern(MiB, at);
  }
  out.close();
  std::filesystem::resize_file(file, size);
}

void make_qcow2(const std::filesystem::path& file, const std::filesystem::path& raw) {
  process convert({"qemu-img", "convert", "-f", "raw", raw, "-O", "qcow2", file}, {});
  const result ended = convert.wait();
  if (ended.status != 0) throw std::runtime_error("qemu-img: " + ended.err);
}

::testing::AssertionResult holds(const std::filesystem::path& file, std::string_view expected) {
  const std::string actual = read_file(file);
  if (actual == expected) return ::testing::AssertionSuccess();
  const auto length = std::min(actual.size(), expected.size());
  const auto first =
      std::mismatch(actual.begin(), actual.begin() + static_cast<long>(length), expected.begin());
  return ::testing::AssertionFailure()
         << file << " has " << actual.size() << " bytes, expected " << expected.size()
         << "; they differ from offset " << first.first - actual.begin() << " on";
}

::testing::AssertionResult same_content(const std::filesystem::path& file,
                                        const std::filesystem::path& expected) {
  return holds(file, read_file(expected));
}

}  // namespace nbdstream::test
