"""Search in Chinese pages that are half in Latin letters.

Sphinx splits Chinese with jieba, which is not maintained, and only in the index: what a reader
types is not split, and is found only if it happens to be a word. Here both are cut into pairs of
characters, which needs no dictionary.
"""

import re

from sphinx.search.zh import SearchChinese

_RUN = re.compile(r"[\u3400-\u9fff]+|[A-Za-z0-9_]+")


class SearchMixed(SearchChinese):
    """Latin words as Sphinx has them, and Chinese in pairs of characters and single ones."""

    language_name = "English"  # of the stemmer: in Sphinx 9.0 the page looks for a Chinese one
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff]+|[A-Za-z0-9_]+/g) ?? []).flatMap((run) =>
    run.length === 1 || /\w/.test(run)
      ? [run]
      : Array.from({ length: run.length - 1 }, (_, at) => run.slice(at, at + 2)),
  );
"""

    def split(self, input: str) -> list[str]:  # noqa: A002 - Sphinx's name for it
        """Return the terms of a text, for the index."""
        terms = []
        for run in _RUN.findall(input):
            if run.isascii():
                self.latin_terms.add(run)
                terms.append(run)
            else:
                terms += [*run, *(run[at : at + 2] for at in range(len(run) - 1))]
        return terms

    def word_filter(self, stemmed_word: str) -> bool:
        """Leave out single letters, and no single Chinese character."""
        return len(stemmed_word) > 1 or not stemmed_word.isascii()
