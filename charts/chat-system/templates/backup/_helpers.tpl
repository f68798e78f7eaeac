{{/*
What the pods of all backup Jobs have in common. The program comes out of chat-system's image into the container of Redis, whose
redis-server it needs; the public authorities' certificates come with it.
*/}}
{{- define "chat-system.backupJob" -}}
metadata:
  labels: {{- include "chat-system.selectorLabels" (list . "backup-job") | nindent 4 }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {{- toYaml .Values.backup.job.podSecurityContext | nindent 4 }}
  {{- with include "chat-system.scheduling" .Values.backup.job | trim }}{{ nindent 2 . }}{{ end }}
  initContainers:
    - name: install
      image: {{ include "chat-system.image" (list .Values.image .Chart.AppVersion) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [install, /opt/chat]
      resources:
        requests: {cpu: 10m, memory: 32Mi}
        limits: {memory: 128Mi}
      securityContext: {{- toYaml .Values.backup.job.securityContext | nindent 8 }}
      volumeMounts:
        - {name: program, mountPath: /opt/chat}
  containers:
    - name: backup
      image: {{ include "chat-system.image" (list .Values.redis.image "") }}
      imagePullPolicy: {{ .Values.redis.image.pullPolicy }}
      command: [/opt/chat/chat]
      envFrom:
        - configMapRef: {name: {{ include "chat-system.fullname" . }}-backup-job}
      env:
        - {name: SSL_CERT_FILE, value: /opt/chat/ca-certificates.crt}
        - {name: TMPDIR, value: /tmp}
        {{- include "chat-system.passwords" . | nindent 8 }}
      resources: {{- toYaml .Values.backup.job.resources | nindent 8 }}
      securityContext: {{- toYaml .Values.backup.job.securityContext | nindent 8 }}
      volumeMounts:
        - {name: program, mountPath: /opt/chat, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- if or .Values.ca.configMap .Values.ca.secret }}
        - {name: ca, mountPath: /etc/chat/ca, readOnly: true}
        {{- end }}
  volumes:
    - {name: program, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    {{- if .Values.ca.configMap }}
    - name: ca
      configMap: {name: {{ .Values.ca.configMap }}}
    {{- else if .Values.ca.secret }}
    - name: ca
      secret: {secretName: {{ .Values.ca.secret }}}
    {{- end }}
{{- end }}
