"""The gallery: images, filters, collections, bulk actions, downloads and the trash."""
