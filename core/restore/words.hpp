// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_WORDS_HPP
#define NBDSTREAM_RESTORE_WORDS_HPP

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::restore {

/// An option of a subcommand.
struct word_option {
  std::string_view name;  ///< without dashes
  bool takes_value = false;
  std::function<void(std::string)> set;
};

/// Splits what stands behind the name of `subcommand`, argv[1], into options, which are set, and
/// other words, which are returned; behind `--` there are no options. Throws config::error.
[[nodiscard]] std::vector<std::string> split_words(std::span<const char* const> argv,
                                                   std::span<const word_option> options);

}  // namespace nbdstream::restore
#endif
