// SPDX-License-Identifier: BSD-3-Clause
//
// The files in page/, which CMake makes a part of the program.
#ifndef NBDSTREAM_STATUS_PAGE_PARTS_HPP
#define NBDSTREAM_STATUS_PAGE_PARTS_HPP

#include <string_view>

namespace nbdstream::status {

extern const std::string_view page_html;
extern const std::string_view page_style;
extern const std::string_view page_script;

}  // namespace nbdstream::status
#endif
