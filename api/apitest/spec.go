package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/paths"
	"github.com/pb33f/libopenapi-validator/responses"
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

// ordinary are the header fields of an answer that the document need not name.
var ordinary = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Date": true, "Connection": true, "Cache-Control": true,
	"X-Content-Type-Options": true, "Content-Security-Policy": true, "Referrer-Policy": true,
}

// elsewhere are the kinds of problem that answer what the document has no operation for.
var elsewhere = map[string]int{"not-found": 404, "method-not-allowed": 405, "too-many-requests": 429, "headers-too-large": 431, "unknown-method": 501}

// check gives what is wrong with an answer and, when it was accepted, with its request: statuses, header fields, bodies and
// kinds of problem must be those that the document has for the operation, and no others. HEAD is answered as GET, without
// the body. Methods and paths that the document does not have are answered with a problem, OPTIONS with Allow.
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
	head := request.Method == http.MethodHead
	request = request.Clone(request.Context())
	if head {
		request.Method = http.MethodGet
	}
	if response.StatusCode < 400 { // other spellings of a path are the path
		request.URL.Path, request.URL.RawPath = strings.TrimSuffix(request.URL.Path, "/"), ""
	}
	if (head || request.Method == http.MethodOptions && response.StatusCode == http.StatusNoContent) && len(body) > 0 {
		faults = append(faults, "an answer has a body that must have none")
	}
	item, errs, template := paths.FindPath(request, s.model, nil)
	var says *v3.Response
	if len(errs) == 0 && response.StatusCode != http.StatusMethodNotAllowed {
		answers := item.GetOperations().GetOrZero(strings.ToLower(request.Method)).Responses
		says = answers.Codes.GetOrZero(strconv.Itoa(response.StatusCode))
		if says == nil && response.StatusCode != http.StatusNotFound { // that is a path that only looks like one
			says = answers.Default
		}
	}
	known := says != nil
	if !known {
		says = s.model.Components.Responses.GetOrZero("Problem")
	}
	declared := maps.Clone(ordinary)
	for name := range says.Headers.KeysFromOldest() {
		declared[http.CanonicalHeaderKey(name)] = true
	}
	for name := range response.Header {
		if !declared[name] {
			faults = append(faults, "openapi.yaml has no header field "+name+" there")
		}
	}
	_, wrong := responses.ValidateResponseHeaders(request, response, says.Headers, template, strconv.Itoa(response.StatusCode), config.WithFormatAssertions())
	add("answer", wrong)
	if head {
		return faults
	}
	if response.StatusCode >= 400 {
		_, errs := s.schemas.ValidateSchemaBytes(s.problem, body)
		add("problem", errs)
		faults = append(faults, s.kind(says, known, response, body)...)
	} else if !known && response.StatusCode != http.StatusNoContent {
		faults = append(faults, fmt.Sprintf("openapi.yaml has no answer %d there", response.StatusCode))
	}
	if !known {
		return faults
	}
	_, errs = s.validator.ValidateHttpResponse(request, response)
	add("answer", errs)
	response.Body = io.NopCloser(bytes.NewReader(body))
	if response.StatusCode < 400 {
		_, errs := s.validator.ValidateHttpRequestSync(request)
		add("request", errs)
	}
	return faults
}

// kind tells when a problem is none of those that the document has as examples of this answer.
func (s *spec) kind(says *v3.Response, known bool, response *http.Response, body []byte) []string {
	var p problem
	if err := json.Unmarshal(body, &p); err != nil {
		return []string{err.Error()}
	}
	slug := strings.TrimPrefix(p.Type, "/docs#")
	status := elsewhere[slug]
	if known {
		status = 0
		if media := says.Content.GetOrZero("application/problem+json"); media != nil && media.Examples.GetOrZero(slug) != nil {
			var example problem
			if err := media.Examples.GetOrZero(slug).Value.Decode(&example); err != nil {
				return []string{err.Error()}
			}
			status = example.Status
		}
	}
	if status != p.Status || status != response.StatusCode || response.Header.Get("Content-Type") != "application/problem+json" {
		return []string{fmt.Sprintf("openapi.yaml has no %d %s (%d, %s) there", p.Status, slug, response.StatusCode, response.Header.Get("Content-Type"))}
	}
	return nil
}
