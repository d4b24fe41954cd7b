// SPDX-License-Identifier: BSD-3-Clause
//
// Asio, compiled once: everywhere else BOOST_ASIO_SEPARATE_COMPILATION makes it declarations.
#include <boost/asio/impl/src.hpp>
