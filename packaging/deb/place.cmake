# Run by cpack over the files that a package is made of: what Debian has in another place.
set(at ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/host${CPACK_PACKAGING_INSTALL_PREFIX}/share/zsh)
if(CPACK_GENERATOR STREQUAL "DEB" AND EXISTS ${at}/site-functions)
	file(RENAME ${at}/site-functions ${at}/vendor-completions)
endif()
