// Package chat is the domain: what an application, a chat and a message are, their limits, how input is validated,
// and the errors that every layer speaks. It knows no other package of the project.
package chat
