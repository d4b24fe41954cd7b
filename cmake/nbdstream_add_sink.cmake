# nbdstream_add_sink(NAME SOURCES file...)
#
# The target sink_NAME: a sink module NAME.so, in C11 or C++20, that exports its entry point and
# nothing else. To put it where nbdstream looks for it:
#
#   install(TARGETS sink_NAME DESTINATION ${nbdstream_SINK_DIR})
function(nbdstream_add_sink name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
  add_library(sink_${name} MODULE ${arg_SOURCES})
  target_link_libraries(sink_${name} PRIVATE nbdstream::sink)
  # The caller may have enabled but one of the languages.
  if(CMAKE_C_COMPILE_FEATURES)
    target_compile_features(sink_${name} PRIVATE c_std_11)
  endif()
  if(CMAKE_CXX_COMPILE_FEATURES)
    target_compile_features(sink_${name} PRIVATE cxx_std_20)
  endif()
  # Hidden visibility alone leaves the standard library's templates in the symbol table.
  set(exports ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/sink_exports.map)
  target_link_options(sink_${name} PRIVATE LINKER:--version-script=${exports})
  set_target_properties(sink_${name} PROPERTIES
    OUTPUT_NAME ${name}
    PREFIX ""
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${exports})
endfunction()
