// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that negotiated structured replies or extended headers, and their replies as text.
#ifndef NBDSTREAM_TESTS_UNIT_SERVER_CHUNKS_HPP
#define NBDSTREAM_TESTS_UNIT_SERVER_CHUNKS_HPP

#include "at_work.hpp"

namespace nbdstream::test {

inline void structured(scripted_client& c) {
  c.structured().allocation();
}
inline void extended(scripted_client& c) {
  c.extended().allocation();
}

/// A chunk in words; "…" stands behind one that is not the last of its answer.
inline std::string in_words(const chunk& c) {
  const auto number = [&](std::size_t at, int size) {
    return std::to_string(from_big_endian(std::string_view(c.payload).substr(at), size));
  };
  std::string text;
  switch (c.type) {
    case 0: text = "nothing"; break;
    case 1: text = "data " + number(0, 8) + "+" + std::to_string(c.payload.size() - 8); break;
    case 2: text = "hole " + number(0, 8) + "+" + number(8, 4); break;
    case 5:
      text = "status";
      for (std::size_t i = 4; i < c.payload.size(); i += 8) {
        text += " " + number(i, 4) + ":" + number(i + 4, 4);
      }
      break;
    case 6:
      text = "status";
      EXPECT_EQ(number(4, 4), std::to_string((c.payload.size() - 8) / 16));
      for (std::size_t i = 8; i < c.payload.size(); i += 16) {
        text += " " + number(i, 8) + ":" + number(i + 8, 8);
      }
      break;
    case 0x8001: text = "error " + number(0, 4); break;
    default: text = "type " + std::to_string(c.type);
  }
  return text + (c.flags == 1 ? "" : "…");
}

class SessionHeaders : public clients_at_work {
 protected:
  explicit SessionHeaders(nbd_export::settings s = rig::ordered(stream::order::spool, 0))
      : clients_at_work(std::move(s)) {}

  /// The chunks of the answer to what `c` says now.
  std::vector<std::string> ask(at_work& c, const std::function<void(scripted_client&)>& with) {
    const auto before = heard(c).chunks.size();
    say(c, with);
    r.settle();
    std::vector<std::string> chunk_texts;
    const auto all = heard(c).chunks;
    for (auto i = before; i < all.size(); ++i) chunk_texts.push_back(in_words(all[i]));
    return chunk_texts;
  }
  /// The text of the last answer, which is an error.
  static std::string reason(const at_work& c) { return heard(c).answers.back().text; }
  static const std::string& last_data(const at_work& c) {
    static std::string data;
    return data = heard(c).answers.back().data;
  }
};

using chunk_texts = std::vector<std::string>;

/// With structured replies, and with extended headers.
class SessionChunks : public SessionHeaders,
                      public ::testing::WithParamInterface<void (*)(scripted_client&)> {
 protected:
  at_work& connect_so() { return connect(GetParam()); }
};

}  // namespace nbdstream::test
#endif
