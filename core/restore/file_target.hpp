// SPDX-License-Identifier: BSD-3-Clause
//
// Disks that are files or devices of this machine.
#ifndef NBDSTREAM_RESTORE_FILE_TARGET_HPP
#define NBDSTREAM_RESTORE_FILE_TARGET_HPP

#include "restore/target.hpp"

#include <memory>
#include <string>

namespace nbdstream::restore {

/// A file that is made beside its place, and moved there at commit().
[[nodiscard]] std::unique_ptr<target> make_new_file(const std::string& path,
                                                    const stop_signals& signals);
/// A raw file that is there.
[[nodiscard]] std::unique_ptr<target> open_file(const std::string& path,
                                                const stop_signals& signals);
[[nodiscard]] std::unique_ptr<target> open_device(const std::string& path,
                                                  const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
