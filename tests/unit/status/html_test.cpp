// SPDX-License-Identifier: BSD-3-Clause
#include "status/html.hpp"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

namespace nbdstream::status {
namespace {

std::string shown(std::string_view text) {
  return html().text(text).str();
}

TEST(Html, TextCanNeitherBeginATagNorEndAnAttribute) {
  EXPECT_EQ(shown("<script>a && 'b' > \"c\"</script>"),
            "&lt;script&gt;a &amp;&amp; &#39;b&#39; &gt; &quot;c&quot;&lt;/script&gt;");
}

TEST(Html, TextThatLooksEscapedIsShownAsItIs) {
  EXPECT_EQ(shown("&lt;"), "&amp;lt;");
}

TEST(Html, TextThatIsNoUtf8BecomesUtf8) {
  EXPECT_EQ(shown("a\xff\xc3<"), "a\xef\xbf\xbd\xef\xbf\xbd&lt;");
  EXPECT_EQ(shown("Größe ✓"), "Größe ✓");
}

TEST(Html, EachControlCharacterIsReplaced) {
  for (char c = 0; c < 0x20; ++c) EXPECT_EQ(shown({&c, 1}), "\xef\xbf\xbd") << int{c};
  EXPECT_EQ(shown("\x7f"), "\xef\xbf\xbd");
}

TEST(Html, MarkupIsMadeOfConstantsOnly) {
  EXPECT_EQ(html().add("<b>").number(18446744073709551615U).add("</b>").str(),
            "<b>18446744073709551615</b>");
  static_assert(!std::is_constructible_v<markup, std::string>);
  static_assert(!std::is_constructible_v<markup, std::string_view>);
}

}  // namespace
}  // namespace nbdstream::status
