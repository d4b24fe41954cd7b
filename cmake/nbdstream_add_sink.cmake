# nbdstream_add_sink(NAME SOURCES file...)
#
# A sink module: NAME.so with one exported symbol, in the place where nbdstream looks for it.
function(nbdstream_add_sink name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
  add_library(sink_${name} MODULE ${arg_SOURCES})
  target_link_libraries(sink_${name} PRIVATE nbdstream::sink nbdstream_warnings)
  # Hidden visibility alone leaves the standard library's templates in the symbol table.
  target_link_options(sink_${name} PRIVATE
    -Wl,--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/sink_exports.map)
  set_target_properties(sink_${name} PROPERTIES
    OUTPUT_NAME ${name}
    PREFIX ""
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${NBDSTREAM_SINK_SUBDIR})
endfunction()
