package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

func spec(t *testing.T) (libopenapi.Document, *v3.Document) {
	t.Helper()
	document, err := libopenapi.NewDocument(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return document, &model.Model
}

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	document, _ := spec(t)
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Error(e)
			for _, s := range e.SchemaValidationErrors {
				t.Error(s.Reason, s.FieldPath)
			}
		}
	}
}

// Every operation has examples of what goes to and fro, and they are valid.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	_, model := spec(t)
	schemas := schema_validation.NewSchemaValidator()
	check := func(where string, media *v3.MediaType) {
		if media.Examples.Len() == 0 {
			t.Errorf("%s has no example", where)
		}
		for name, example := range media.Examples.FromOldest() {
			var value any
			if err := example.Value.Decode(&value); err != nil {
				t.Fatal(err)
			}
			if ok, errs := schemas.ValidateSchemaObject(media.Schema.Schema(), value); !ok {
				t.Errorf("%s: %s: %v", where, name, errs)
			}
		}
	}
	for path, item := range model.Paths.PathItems.FromOldest() {
		for method, o := range item.GetOperations().FromOldest() {
			where := method + " " + path
			if o.RequestBody != nil {
				for _, media := range o.RequestBody.Content.FromOldest() {
					check(where, media)
				}
			}
			for status, response := range o.Responses.Codes.FromOldest() {
				for contentType, media := range response.Content.FromOldest() {
					if strings.HasSuffix(contentType, "json") {
						check(where+" "+status, media)
					}
				}
			}
			if o.Responses.Default == nil {
				t.Errorf("%s has no default", where)
			}
		}
	}
}

// The document names the problems that the code has, and no others.
func TestOpenAPIProblems(t *testing.T) {
	t.Parallel()
	_, model := spec(t)
	all := map[string]*kind{}
	for _, k := range []*kind{
		kindMalformed, kindInvalidJSON, kindUnauthorized, kindNotFound, kindMethod, kindTimeout, kindKeyInUse, kindGone, kindTooLarge, kindMediaType,
		kindInvalid, kindKeyReused, kindTooMany, kindHeaders, kindInternal, kindUnknownMethod, kindNotEnabled, kindUnavailable, kindUnknown, kindNotReady,
	} {
		all[k.slug] = k
	}
	for name, example := range model.Components.Examples.FromOldest() {
		if example.Summary == "" {
			continue
		}
		k := all[name]
		if k == nil {
			t.Errorf("there is no problem %s", name)
			continue
		}
		delete(all, name)
		var want, got map[string]any
		if err := example.Value.Decode(&want); err != nil {
			t.Fatal(err)
		}
		p := &problem{kind: k, detail: fmt.Sprint(want["detail"])}
		if err := json.Unmarshal(p.render(fmt.Sprint(want["request_id"])), &got); err != nil {
			t.Fatal(err)
		}
		delete(want, "errors")
		delete(want, "checks")
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, in openapi.yaml %v", got, want)
		}
	}
	for slug := range all {
		t.Errorf("openapi.yaml lacks %s", slug)
	}
}
