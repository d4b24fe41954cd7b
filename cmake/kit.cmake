# What it takes to build a sink elsewhere: two headers, nbdstream_add_sink(), and how they are
# found. Needs nothing else of nbdstream, and no library.
include(nbdstream_add_sink)

add_library(nbdstream_sink INTERFACE)
add_library(nbdstream::sink ALIAS nbdstream_sink)
set_target_properties(nbdstream_sink PROPERTIES EXPORT_NAME sink)
target_include_directories(nbdstream_sink INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/core/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# A project that has this one as a part installs its sinks there.
if(NOT PROJECT_IS_TOP_LEVEL)
  set(nbdstream_SINK_DIR ${NBDSTREAM_SINK_SUBDIR} PARENT_SCOPE)
endif()

# A sink needs a version of the ABI, not of the program: that is what find_package and pkg-config
# ask for.
set(header ${PROJECT_SOURCE_DIR}/core/include/nbdstream/sink.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
file(STRINGS ${header} abi REGEX "^#define NBDSTREAM_SINK_ABI_(MAJOR|MINOR) [0-9]+$")
string(REGEX REPLACE "^[^;]*MAJOR ([0-9]+);[^;]*MINOR ([0-9]+)$" "\\1.\\2" NBDSTREAM_SINK_ABI "${abi}")

if(NBDSTREAM_INSTALL)
  include(CMakePackageConfigHelpers)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/nbdstream)
  install(DIRECTORY core/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
  install(TARGETS nbdstream_sink EXPORT nbdstream_targets)
  install(EXPORT nbdstream_targets NAMESPACE nbdstream:: FILE nbdstream-targets.cmake
    DESTINATION ${package} COMPONENT development)
  configure_package_config_file(cmake/nbdstream-config.cmake.in
    ${PROJECT_BINARY_DIR}/nbdstream-config.cmake
    INSTALL_DESTINATION ${package} PATH_VARS NBDSTREAM_SINK_SUBDIR
    NO_CHECK_REQUIRED_COMPONENTS_MACRO)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/nbdstream-config-version.cmake
    VERSION ${NBDSTREAM_SINK_ABI} COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
  install(FILES ${PROJECT_BINARY_DIR}/nbdstream-config.cmake
    ${PROJECT_BINARY_DIR}/nbdstream-config-version.cmake
    cmake/nbdstream_add_sink.cmake cmake/sink_exports.map
    DESTINATION ${package} COMPONENT development)

  # Relative to itself, so that it can be installed under another prefix, or be moved.
  set(pkgconfig ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE up_to_prefix)
  configure_file(cmake/nbdstream.pc.in nbdstream.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/nbdstream.pc DESTINATION ${pkgconfig} COMPONENT development)
endif()
