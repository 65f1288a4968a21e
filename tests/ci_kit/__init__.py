"""Carries out CI files as their services would, on this machine and without a network.

GitHub's runner and GitLab's are not needed to know whether ``action.yml``, the example's workflow and the GitLab
snippet do what they promise: of what those services offer, the files use little, and that little is here. Whatever
else a file asks for is an error, never ignored. It lies with the tests because only they (and people who change
those files, by ``python -m tests.ci_kit docs/ci/example``) have use for it; it is no part of the product.
"""
