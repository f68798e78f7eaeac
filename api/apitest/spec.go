package apitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/paths"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"chat-system/api"
)

// spec is openapi.yaml as a judge.
type spec struct {
	mu        sync.Mutex
	document  libopenapi.Document
	model     *v3.Document
	validator validator.Validator
	schemas   schema_validation.SchemaValidator
	problem   *base.Schema
}

var theSpec = sync.OnceValue(func() *spec {
	document, err := libopenapi.NewDocument(api.OpenAPI())
	if err != nil {
		panic(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		panic(err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions(), config.WithRejectUndeclaredRequestBody())
	if len(errs) > 0 {
		panic(errs)
	}
	return &spec{
		document: document, model: &model.Model, validator: v,
		schemas: schema_validation.NewSchemaValidator(config.WithFormatAssertions()),
		problem: model.Model.Components.Schemas.GetOrZero("Problem").Schema(),
	}
})

// check gives what is wrong with an answer and, when it was accepted, with its request. Methods and paths that the
// document does not have must be answered with a problem, and with no body where HTTP has none.
func (s *spec) check(request *http.Request, response *http.Response, body []byte) (faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(whose string, errs []*errors.ValidationError) {
		for _, e := range errs {
			faults = append(faults, fmt.Sprintf("the %s is not what openapi.yaml says: %s: %s", whose, e.Message, e.Reason))
			for _, f := range e.SchemaValidationErrors {
				faults = append(faults, f.FieldPath+": "+f.Reason)
			}
		}
	}
	if response.Header.Get("X-Request-Id") == "" {
		faults = append(faults, "the answer has no X-Request-Id")
	}
	if request.Method == http.MethodHead {
		if len(body) > 0 {
			faults = append(faults, "an answer to HEAD has a body")
		}
		return faults
	}
	if _, errs, _ := paths.FindPath(request, s.model, nil); len(errs) > 0 || response.StatusCode == http.StatusMethodNotAllowed {
		if response.StatusCode >= 400 {
			_, errs := s.schemas.ValidateSchemaBytes(s.problem, body)
			add("problem", errs)
		}
		return faults
	}
	_, errs := s.validator.ValidateHttpResponse(request, response)
	add("answer", errs)
	response.Body = io.NopCloser(bytes.NewReader(body))
	if response.StatusCode < 400 {
		_, errs := s.validator.ValidateHttpRequestSync(request)
		add("request", errs)
	}
	return faults
}
