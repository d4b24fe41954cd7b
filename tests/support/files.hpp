// SPDX-License-Identifier: BSD-3-Clause
//
// Files and disk images: making them, and saying where two of them differ.
#ifndef NBDSTREAM_TESTS_SUPPORT_FILES_HPP
#define NBDSTREAM_TESTS_SUPPORT_FILES_HPP

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace nbdstream::test {

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;

/// The whole file; "" if there is none.
[[nodiscard]] std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view text);

/// `size` bytes that look random and are the same for the same `seed`; no page of them is zero.
[[nodiscard]] std::string pattern(std::uint64_t size, std::uint64_t seed = 1);

/// A raw image full of pattern().
void make_raw(const std::filesystem::path& file, std::uint64_t size);

/// A raw image with holes: pattern() in every other MiB, from the second on, and a hole at the end.
void make_sparse(const std::filesystem::path& file, std::uint64_t size);

/// The qcow2 image of what is in `raw`.
void make_qcow2(const std::filesystem::path& file, const std::filesystem::path& raw);

/// Whether a file is, byte for byte, what is expected; the message tells the first difference.
[[nodiscard]] ::testing::AssertionResult holds(const std::filesystem::path& file,
                                               std::string_view expected);
[[nodiscard]] ::testing::AssertionResult same_content(const std::filesystem::path& file,
                                                      const std::filesystem::path& expected);

}  // namespace nbdstream::test
#endif
