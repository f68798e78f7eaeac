{{/*
An engine's volume: of the StatefulSet's claims, or one that lives as long as the pod. The claim's labels can't be changed later, so
that none of them tells a version. Takes a list of the root context and the engine.
*/}}
{{- define "chat-system.engineVolume" -}}
{{- with (index (index . 0).Values (index . 1)).persistence }}
{{- if .enabled }}
volumeClaimTemplates:
  - metadata:
      name: data
      labels: {{- include "chat-system.selectorLabels" $ | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- if eq .storageClass "-" }}
      storageClassName: ""
      {{- else if .storageClass }}
      storageClassName: {{ .storageClass }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Service of an engine. Takes a list of the root context, the engine and its port. */}}
{{- define "chat-system.engineService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "chat-system.fullname" (index . 0) }}-{{ index . 1 }}
  labels: {{- include "chat-system.labels" . | nindent 4 }}
spec:
  # Not headless: the address stays when the pod is replaced, and no client waits for its DNS cache.
  selector: {{- include "chat-system.selectorLabels" . | nindent 4 }}
  ports:
    - {name: {{ index . 1 }}, port: {{ index . 2 }}, targetPort: {{ index . 1 }}}
{{- end }}
