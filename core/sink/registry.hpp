// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINK_REGISTRY_HPP
#define NBDSTREAM_SINK_REGISTRY_HPP

#include "sink/module.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace nbdstream::sink {

/// The file of this program; empty where that cannot be known. Without /proc what it was started
/// with has to do, which may be a link to it.
[[nodiscard]] std::filesystem::path program();

/// Finds sink modules by name: in the directories of $NBDSTREAM_SINK_PATH (separated by colons),
/// then in the one that belongs to this program, in a build tree as in an installation.
class registry {
 public:
  registry();

  /// Loads the module of a bare name, or, where `name` contains a '/', the library at that path.
  /// Throws load_error, which for an unknown name says where it looked and what it may be.
  [[nodiscard]] module load(const std::string& name) const;

  /// The file of the module of that name; empty where there is none.
  [[nodiscard]] std::string find(const std::string& name) const;

  /// The names of all modules that there are, sorted; what is found first hides later ones.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::vector<std::filesystem::path> directories_;
};

}  // namespace nbdstream::sink
#endif
