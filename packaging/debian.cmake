# cpack makes the Debian packages nbdstream, nbdstream-sink-s3 and nbdstream-dev, for the release that
# it runs on. Their version names that, so that the package of the next release is the newer one.
# What only these have, a changelog say, is in components of their own: cmake --install leaves it.
cmake_host_system_information(RESULT system QUERY DISTRIB_INFO)
set(debian_version ${PROJECT_VERSION}-1)
if(system_ID STREQUAL debian AND system_VERSION_ID)
  string(APPEND debian_version ~deb${system_VERSION_ID}u1)
endif()
set(maintainer_address maintainers@nbdstream.example)
set(changelog ${CMAKE_CURRENT_BINARY_DIR}/changelog)
configure_file(debian/changelog.in ${changelog} @ONLY)
find_program(GZIP gzip)
if(NOT GZIP)
  return()
endif()
add_custom_command(OUTPUT ${changelog}.Debian.gz
  COMMAND ${GZIP} -9nc ${changelog} > ${changelog}.Debian.gz
  DEPENDS ${changelog} VERBATIM)
add_custom_target(debian_changelog ALL DEPENDS ${changelog}.Debian.gz)
foreach(package nbdstream nbdstream-sink-s3 nbdstream-dev)
  install(FILES debian/copyright ${changelog}.Debian.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${package}_documents
    EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/sinks/README.md
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/nbdstream-dev COMPONENT nbdstream-dev_documents
  EXCLUDE_FROM_ALL)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sinks/template/
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/nbdstream-dev/examples
  COMPONENT nbdstream-dev_documents EXCLUDE_FROM_ALL)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/doc/guide
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/nbdstream COMPONENT nbdstream_documents EXCLUDE_FROM_ALL)
install(FILES fleet/backup.env fleet/backup-cronjob.yaml
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/nbdstream/examples
  COMPONENT nbdstream_documents EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/nbdstream
  COMPONENT nbdstream_documents EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME nbdstream)
set(CPACK_PACKAGE_VENDOR nbdstream)
set(CPACK_PACKAGE_CONTACT "nbdstream authors <${maintainer_address}>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has one
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
string(REGEX REPLACE "^[^-]*-" "" CPACK_DEBIAN_PACKAGE_RELEASE ${debian_version})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL
  runtime nbdstream_documents sink_s3 nbdstream-sink-s3_documents
  development nbdstream-dev_documents)
set(CPACK_COMPONENT_RUNTIME_GROUP nbdstream)
set(CPACK_COMPONENT_NBDSTREAM_DOCUMENTS_GROUP nbdstream)
set(CPACK_COMPONENT_SINK_S3_GROUP nbdstream-sink-s3)
set(CPACK_COMPONENT_NBDSTREAM-SINK-S3_DOCUMENTS_GROUP nbdstream-sink-s3)
set(CPACK_COMPONENT_DEVELOPMENT_GROUP nbdstream-dev)
set(CPACK_COMPONENT_NBDSTREAM-DEV_DOCUMENTS_GROUP nbdstream-dev)

set(CPACK_DEBIAN_NBDSTREAM_PACKAGE_NAME nbdstream)
set(CPACK_DEBIAN_NBDSTREAM_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_NBDSTREAM_PACKAGE_SHLIBDEPS ON)
# They make the user of the service.
set(CPACK_DEBIAN_NBDSTREAM_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_NBDSTREAM_PACKAGE_SUGGESTS "libnbd-bin, nbdstream-sink-s3, qemu-utils")
set(CPACK_DEBIAN_NBDSTREAM_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm)
set(CPACK_DEBIAN_NBDSTREAM_DESCRIPTION
"NBD server that turns what is written to it into a stream
nbdstream is a server for the network block device protocol. Any program
that can write to an NBD disk (qemu-img, nbdcopy, QEMU) becomes the left end
of a pipe: what it writes, in any order, goes into a named pipe, a socket,
standard output, a file, a command or a sink of your own, as one sequential
stream. A stream that broke off is never passed off as complete.")

set(CPACK_DEBIAN_NBDSTREAM-SINK-S3_PACKAGE_NAME nbdstream-sink-s3)
set(CPACK_DEBIAN_NBDSTREAM-SINK-S3_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_NBDSTREAM-SINK-S3_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_NBDSTREAM-SINK-S3_PACKAGE_DEPENDS
  "nbdstream (= ${debian_version}), ca-certificates")
set(CPACK_DEBIAN_NBDSTREAM-SINK-S3_DESCRIPTION
"sink of nbdstream that sends a stream to an S3 server
With this module a stream of nbdstream becomes an object on a server that
speaks S3: AWS, the gateway of Ceph, and others. The object appears when the
stream is complete, and only then; a stream that broke off leaves nothing.")

set(CPACK_DEBIAN_NBDSTREAM-DEV_PACKAGE_NAME nbdstream-dev)
set(CPACK_DEBIAN_NBDSTREAM-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_NBDSTREAM-DEV_PACKAGE_RECOMMENDS "nbdstream (= ${debian_version})")
set(CPACK_DEBIAN_NBDSTREAM-DEV_PACKAGE_SUGGESTS "cmake, pkgconf")
set(CPACK_DEBIAN_NBDSTREAM-DEV_DESCRIPTION
"files to build sinks for nbdstream
A sink is where a stream of nbdstream goes: a shared library with one
function. Here are the header of that interface in C, a helper in C++, what
CMake and pkg-config need to find them, and sinks to begin with in C, C++
and Rust.")
include(CPack)
