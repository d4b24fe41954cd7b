// SPDX-License-Identifier: BSD-3-Clause
#include "encoding/encoder.hpp"

#include "encoding/diff_encoder.hpp"
#include "encoding/raw_encoder.hpp"

namespace nbdstream::encoding {

std::unique_ptr<encoder> make_encoder(const format& f, sink::sink& to) {
  if (f.rbd_diff) return std::make_unique<diff_encoder>(*f.rbd_diff, to);
  return std::make_unique<raw_encoder>(to);
}

}  // namespace nbdstream::encoding
