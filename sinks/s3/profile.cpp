// SPDX-License-Identifier: BSD-3-Clause
#include "profile.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nbdstream/sink.hpp>

#include "lease.hpp"

namespace nbdstream::s3 {
namespace {

constexpr std::size_t longest_file = 1 << 20;  // bytes

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const auto from = text.find_first_not_of(blank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blank) - from + 1);
}

bool is_header_of(std::string_view line, std::string_view name) {
  line = trimmed(line);
  if (!line.starts_with('[') || !line.ends_with(']')) return false;
  line = trimmed(line.substr(1, line.size() - 2));
  if (line == name) return true;
  constexpr std::string_view word = "profile";
  return line.starts_with(word) && line.size() > word.size() &&
         (line[word.size()] == ' ' || line[word.size()] == '\t') &&
         trimmed(line.substr(word.size())) == name;
}

std::string read_file(const std::string& path) {
  if (path.empty()) return {};
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return {};
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad() || text.size() > longest_file)
    throw sink_error(EACCES, path + ": this file with credentials or settings cannot be read");
  return text;
}

std::string version_of(const std::string& path) {
  struct stat s {};
  if (path.empty() || ::stat(path.c_str(), &s) < 0) return "-";
  return std::to_string(s.st_ino) + ":" + std::to_string(s.st_size) + ":" +
         std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec);
}

}  // namespace

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

section parse_profile(std::string_view text, std::string_view name) {
  section out;
  bool inside = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view content = trimmed(line);
    if (content.empty() || content.starts_with('#') || content.starts_with(';')) continue;
    if (content.starts_with('[')) {
      inside = is_header_of(content, name);
      continue;
    }
    const bool nested = line.front() == ' ' || line.front() == '\t';
    const auto equals = content.find('=');
    if (!inside || nested || equals == std::string_view::npos) continue;
    out[std::string(trimmed(content.substr(0, equals)))] = trimmed(content.substr(equals + 1));
  }
  return out;
}

profile_files profile_files::of(std::string name) {
  const std::string home = environment("HOME");
  const auto path = [&](const char* variable, const char* file) {
    const std::string named = environment(variable);
    return !named.empty() || home.empty() ? named : home + "/.aws/" + file;
  };
  return {std::move(name), path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
          path("AWS_CONFIG_FILE", "config")};
}

section profile_files::read() const {
  std::string text = read_file(credentials);
  section out = parse_profile(text, name);
  wipe(text);
  text = read_file(config);
  out.merge(parse_profile(text, name));
  wipe(text);
  return out;
}

std::string profile_files::version() const {
  return version_of(credentials) + " " + version_of(config);
}

}  // namespace nbdstream::s3
