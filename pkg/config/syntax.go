package config

func (r *report) explain(doc *document, err error) {
	r.fail(idSyntax, doc.whole(), "this is not YAML: %s", err)
}
