// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_PROFILE_HPP
#define NBDSTREAM_SINKS_S3_PROFILE_HPP

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::s3 {

/// A variable of the environment; empty where it is not set, or set to nothing.
std::string environment(const char* name);

/// A section of a file of the SDKs: its settings by name.
using section = std::map<std::string, std::string>;

/// The section of a profile: [NAME] or [profile NAME]; empty where there is none. What is indented
/// belongs to a setting that has settings of its own, and is left out.
section parse_profile(std::string_view text, std::string_view name);

/// The files that AWS's own tools share, of one profile.
struct profile_files {
  std::string name;
  std::string credentials;  ///< the path of the file; empty: none, as there is no home directory
  std::string config;

  /// As the environment says: AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, HOME.
  static profile_files of(std::string name);

  /// What both say; the first is preferred. A file that is not there is an empty one. Throws
  /// sink_error where it cannot be read.
  [[nodiscard]] section read() const;

  /// Another one than before: a file has changed.
  [[nodiscard]] std::string version() const;
};

}  // namespace nbdstream::s3
#endif
