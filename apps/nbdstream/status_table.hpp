// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_APPS_STATUS_TABLE_HPP
#define NBDSTREAM_APPS_STATUS_TABLE_HPP

#include <boost/json/value.hpp>

#include <string>

namespace nbdstream {

/// What /v1/status says, as a table for people: a line for each export. Throws
/// boost::system::system_error where something of it is missing.
[[nodiscard]] std::string status_table(const boost::json::value& status);

}  // namespace nbdstream
#endif
