// SPDX-License-Identifier: BSD-3-Clause
//
// Expected failures of system calls travel as error codes; nothing here throws for them.
#ifndef NBDSTREAM_IO_ERROR_HPP
#define NBDSTREAM_IO_ERROR_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <cerrno>

namespace nbdstream {

namespace asio = boost::asio;
using boost::system::error_code;
template <class T>
using io_result = boost::system::result<T>;
template <class T>
using awaitable = asio::awaitable<T, asio::any_io_executor>;

[[nodiscard]] inline error_code from_errno(int error_number = errno) noexcept {
  return {error_number, boost::system::system_category()};
}

}  // namespace nbdstream
#endif
