{{/*
The prefix of every name. The longest suffix, "-elasticsearch", has to fit behind it into the 52 characters of a StatefulSet's
name. A longer one is cut and gets a hash, so that two long names with the same beginning stay apart.
*/}}
{{- define "chat-system.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := .Values.fullnameOverride | default (contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart)) -}}
{{- if gt (len $name) 38 -}}
{{- $name = printf "%s-%s" (trunc 29 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* Labels that never change: they are also what selectors use. Takes a list of the root context and a component. */}}
{{- define "chat-system.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Labels of every object. Takes the same. */}}
{{- define "chat-system.labels" -}}
{{- $root := index . 0 -}}
{{ include "chat-system.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: chat-system
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image's name. Takes a list of its values and the tag that it has by default. */}}
{{- define "chat-system.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 1) }}
{{- end -}}
{{- end }}

{{/* Name of a component's ServiceAccount. Takes a list of the root context and the component. */}}
{{- define "chat-system.serviceAccountName" -}}
{{- $account := (index (index . 0).Values (index . 1)).serviceAccount -}}
{{- $made := printf "%s-%s" (include "chat-system.fullname" (index . 0)) (index . 1) -}}
{{- $account.name | default ($account.create | ternary $made "default") -}}
{{- end }}

{{/* Where a pod may run. Takes the component's values. */}}
{{- define "chat-system.scheduling" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The pods of each version are spread for themselves: else those of the old one decide where the new ones go. */}}
{{- define "chat-system.topologySpread" -}}
{{- $root := index . 0 -}}
{{- $spread := (index $root.Values (index . 1)).topologySpread -}}
{{- if $spread.topologyKeys }}
topologySpreadConstraints:
  {{- range $spread.topologyKeys }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $spread.whenUnsatisfiable }}
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "chat-system.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Probes of the API and of the flusher. Takes the component's values. */}}
{{- define "chat-system.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  {{- toYaml .probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  {{- toYaml .probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  {{- toYaml .probes.readiness | nindent 2 }}
{{- end }}

{{/* Which engines the chart runs. */}}
{{- define "chat-system.runsElasticsearch" -}}
{{- if and .Values.search.enabled .Values.elasticsearch.enabled }}yes{{ end -}}
{{- end }}

{{/* Whether backups are on: as it is said, else where the chart runs Redis. */}}
{{- define "chat-system.runsBackup" -}}
{{- if kindIs "bool" .Values.backup.enabled | ternary .Values.backup.enabled .Values.redis.enabled }}yes{{ end -}}
{{- end }}

{{/* The Secret of the administrator's token and of the in-chart engines' passwords. */}}
{{- define "chat-system.secretName" -}}
{{- .Values.auth.existingSecret | default (include "chat-system.fullname" .) -}}
{{- end }}

{{/* Variables that the API and the flusher share, without what is secret. */}}
{{- define "chat-system.config" -}}
{{- $name := include "chat-system.fullname" . -}}
PARTITIONS: {{ int64 .Values.partitions | quote }}
{{- if .Values.mysql.enabled }}
DATABASE_HOST: {{ $name }}-mysql
DATABASE_NAME: chat_system
DATABASE_USERNAME: chat
DATABASE_TLS: "false"
{{- else }}
{{- with .Values.mysql.external }}
DATABASE_HOST: {{ printf "%s:%d" (contains ":" .host | ternary (printf "[%s]" .host) .host) (int .port) | quote }}
DATABASE_NAME: {{ .database | quote }}
DATABASE_USERNAME: {{ .username | quote }}
DATABASE_TLS: {{ .tls | quote }}
{{- end }}
{{- end }}
{{- if .Values.redis.enabled }}
REDIS_URL: redis://{{ $name }}-redis:6379/0
{{- else }}
REDIS_URL: {{ .Values.redis.external.url | quote }}
{{- with .Values.redis.external.username }}
REDIS_USERNAME: {{ . | quote }}
{{- end }}
{{- end }}
{{- if include "chat-system.runsElasticsearch" . }}
ELASTICSEARCH_URL: http://{{ $name }}-elasticsearch:9200
{{- else if .Values.search.enabled }}
ELASTICSEARCH_URL: {{ join "," .Values.elasticsearch.external.urls | quote }}
{{- with .Values.elasticsearch.external.username }}
ELASTICSEARCH_USERNAME: {{ . | quote }}
{{- end }}
{{- else }}
ELASTICSEARCH_URL: ""
{{- end }}
{{- with .Values.config }}
QUEUE_MAX_ENTRIES: {{ int64 .queueMaxEntries | quote }}
LOG_LEVEL: {{ .logLevel }}
LOG_FORMAT: {{ .logFormat }}
DEBUG: {{ .debug | quote }}
{{- end }}
{{- if or .Values.ca.configMap .Values.ca.secret }}
SSL_CERT_DIR: /etc/ssl/certs:/etc/chat/ca
{{- end }}
{{- end }}

{{/* What only the API is told. */}}
{{- define "chat-system.apiConfig" -}}
{{ include "chat-system.config" . }}
DRAIN_DELAY: {{ int .Values.api.drainDelaySeconds }}s
{{- if include "chat-system.runsBackup" . }}
BACKUPS_URL: http://{{ include "chat-system.fullname" . }}-backup:9464/backups
{{- end }}
{{- with .Values.config }}
RATE_LIMIT_PER_MINUTE: {{ int64 .rateLimitPerMinute | quote }}
TRUSTED_PROXIES: {{ join "," .trustedProxies | quote }}
WRITE_QUORUM: {{ int .writeQuorum | quote }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .otlpEndpoint | quote }}
OTEL_TRACES_SAMPLER: {{ .otlpSampler.name }}
OTEL_TRACES_SAMPLER_ARG: {{ .otlpSampler.ratio | quote }}
{{- end }}
{{- end }}

{{/* What only the flusher is told. */}}
{{- define "chat-system.flusherConfig" -}}
{{ include "chat-system.config" . }}
FLUSHER_SHARDS: {{ int .Values.flusher.shards | quote }}
LEADER_ELECTION: kubernetes
LEASE_NAME: {{ include "chat-system.fullname" . }}-flusher
LEASE_PEERS: {{ include "chat-system.selectorLabels" (list . "flusher") | replace ": " "=" | replace "\n" "," | quote }}
{{- with .Values.config }}
CHAT_QUEUE_THRESHOLD: {{ int64 .chatQueueThreshold | quote }}
MESSAGE_QUEUE_THRESHOLD: {{ int64 .messageQueueThreshold | quote }}
FLUSH_MAX_WAIT: {{ .flushMaxWait }}
FLUSHED_RETENTION: {{ .flushedRetention }}
SEARCH_BACKLOG_MAX: {{ int64 .searchBacklogMax | quote }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .otlpEndpoint | quote }}
{{- end }}
{{- end }}

{{/* One variable out of a Secret. Takes a list of the variable, the Secret and the key. */}}
{{- define "chat-system.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}
{{- end }}

{{/* What the collector of traces wants to see. */}}
{{- define "chat-system.collectorHeaders" -}}
{{- with .Values.config.otlpHeaders.existingSecret }}
{{- include "chat-system.secretVariable" (list "OTEL_EXPORTER_OTLP_HEADERS" . $.Values.config.otlpHeaders.key) }}
{{- end }}
{{- end }}

{{/* The engines' passwords. A Secret that is missing keeps the pod from starting, and its events name it. */}}
{{- define "chat-system.databasePassword" -}}
{{- if .Values.mysql.enabled -}}
{{ include "chat-system.secretVariable" (list "DATABASE_PASSWORD" (include "chat-system.secretName" .) .Values.auth.keys.mysqlPassword) }}
{{- else -}}
{{ include "chat-system.secretVariable" (list "DATABASE_PASSWORD" .Values.mysql.external.existingSecret .Values.mysql.external.passwordKey) }}
{{- end }}
{{- end }}
{{- define "chat-system.passwords" -}}
{{ include "chat-system.databasePassword" . }}
{{- if .Values.redis.enabled }}
{{ include "chat-system.secretVariable" (list "REDIS_PASSWORD" (include "chat-system.secretName" .) .Values.auth.keys.redisPassword) }}
{{- else if .Values.redis.external.existingSecret }}
{{ include "chat-system.secretVariable" (list "REDIS_PASSWORD" .Values.redis.external.existingSecret .Values.redis.external.passwordKey) }}
{{- end }}
{{- if and .Values.search.enabled (not .Values.elasticsearch.enabled) .Values.elasticsearch.external.existingSecret }}
{{ include "chat-system.secretVariable" (list "ELASTICSEARCH_PASSWORD" .Values.elasticsearch.external.existingSecret .Values.elasticsearch.external.passwordKey) }}
{{- end }}
{{- end }}

{{/* Your own certificate authorities, in a pod and in a container. */}}
{{- define "chat-system.caVolume" -}}
{{- if .Values.ca.configMap }}
volumes:
  - name: ca
    configMap: {name: {{ .Values.ca.configMap }}}
{{- else if .Values.ca.secret }}
volumes:
  - name: ca
    secret: {secretName: {{ .Values.ca.secret }}}
{{- end }}
{{- end }}
{{- define "chat-system.caMount" -}}
{{- if or .Values.ca.configMap .Values.ca.secret }}
volumeMounts:
  - {name: ca, mountPath: /etc/chat/ca, readOnly: true}
{{- end }}
{{- end }}

{{/* Sources of a container's variables. Takes a list of the root context and the component. */}}
{{- define "chat-system.envFrom" -}}
envFrom:
  - configMapRef: {name: {{ include "chat-system.fullname" (index . 0) }}-{{ index . 1 }}}
  {{- with (index (index . 0).Values (index . 1)).extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/*
The migration, an init container of the API and of the flusher: a hook would wait for a database that is not installed yet.
It waits for the server, and its log says what is wrong with the database. Takes a list of the root context and the component.
*/}}
{{- define "chat-system.migration" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
- name: migrate
  image: {{ include "chat-system.image" (list $root.Values.image $root.Chart.AppVersion) }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args: [migrate]
  {{- include "chat-system.envFrom" . | nindent 2 }}
  env:
    {{- with $root.Values.migration }}
    {{- if .existingSecret }}
    {{- include "chat-system.secretVariable" (list "DATABASE_USERNAME" .existingSecret .usernameKey) | nindent 4 }}
    {{- include "chat-system.secretVariable" (list "DATABASE_PASSWORD" .existingSecret .passwordKey) | nindent 4 }}
    {{- else }}
    {{- include "chat-system.databasePassword" $root | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with $component.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources: {{- toYaml $component.resources | nindent 4 }}
  securityContext: {{- toYaml $component.securityContext | nindent 4 }}
  {{- with include "chat-system.caMount" $root | trim }}{{ nindent 2 . }}{{ end }}
{{- end }}

{{/* The engines that the chart runs, as a YAML list. */}}
{{- define "chat-system.engines" -}}
{{- if .Values.mysql.enabled }}
- mysql
{{- end }}
{{- if .Values.redis.enabled }}
- redis
{{- end }}
{{- if include "chat-system.runsElasticsearch" . }}
- elasticsearch
{{- end }}
{{- end }}

{{/* What a component's pods may connect to, where that is restricted. Takes a list of the root context and the component. */}}
{{- define "chat-system.egress" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.networkPolicy.egress.enabled }}
egress:
  - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  {{- if ne (index . 1) "backup" }}
  {{- range fromYamlArray (include "chat-system.engines" $root) }}
  - ports: [{port: {{ . }}}]
    to:
      - podSelector:
          matchLabels: {{- include "chat-system.selectorLabels" (list $root .) | nindent 12 }}
  {{- end }}
  {{- end }}
  {{- if and (eq (index . 1) "api") (include "chat-system.runsBackup" $root) }}
  - ports: [{port: metrics}] # the monitoring page asks for the backups
    to:
      - podSelector:
          matchLabels: {{- include "chat-system.selectorLabels" (list $root "backup") | nindent 12 }}
  {{- end }}
  {{- if has (index . 1) (list "flusher" "backup") }}
  # The Kubernetes API, for the Leases and the backups. No selector names it, and it listens on one port or the other.
  - ports: [{port: 443}, {port: 6443}]
  {{- end }}
  {{- if ne (index . 1) "backup" }}
  {{- with $root.Values.networkPolicy.egress.rules }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
