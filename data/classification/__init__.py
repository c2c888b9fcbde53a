"""Pictures of one class each, from folders or from boxes, to pretrain a backbone on."""
