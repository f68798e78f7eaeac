// Package search finds messages of one chat by their text. It has one interface, Index, and two engines behind it:
// Elasticsearch (Elastic) and, for local mode, bleve on the local disk (Local).
//
// What matches, in which order and what is highlighted is defined here in Go, once, and both engines are only asked for
// it; so they agree by construction, and the suite in searchtest holds them to that:
//
//	text ─► fold (case, accents, width, white space) ─► words
//
// A word matches where it stands as a whole word, as the beginning of one, or, from 3 characters on, anywhere. A text
// finds the messages in which all its words match. Punctuation around a word does not count: «"hello,"» is hello.
// Punctuation within one does: «foo-bar» finds foo-bar, not foo bar. A word of one or two characters that punctuation
// closes (C++, C#) is no beginning of another one. Text without any word is found as it stands, from 3 characters on.
//
// Whole words and phrases rank first, then the newest. The score is a small whole number (see score.go), not a
// statistic of the index: statistics differ between replicas and change when segments merge, and a cursor made of them
// would skip and repeat hits.
//
//	fold.go       makes texts comparable
//	words.go      the words of a text; terms.go what a query asks for
//	score.go      whether and how well a message matches; highlight.go where
//	cursor.go     the place between two pages
//	elastic*.go   Elasticsearch: the client, indices and their alias, writing, querying
//	local*.go     bleve
package search
